// Scale and shift of normalisations, for each sample and channel:
// scale = gain / sqrt(var + eps), shift = bias - mean·scale, with the statistics of a truncation.
// Table holds, for each row, means then variances; columns holds, for each channel, where its gain and
// its bias lie in their vectors, or none in both for padding.
struct Params {
    channels: u32, samples: u32, base: u32, sample: u32,
    shiftAt: u32, gainSample: u32, biasSample: u32, table: u32,
    columns: u32, gainBase: u32, biasBase: u32, tabled: u32,
    eps: f32, one: f32, spare0: u32, spare1: u32,
}

// Run is what differs from run to run: the two rows of the tables and their weights.
struct Run { row0: u32, row1: u32, weight0: f32, weight1: f32 }

@group(0) @binding(0) var<storage, read> gains: array<f32>;
@group(0) @binding(1) var<storage, read> biases: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<f32>;
@group(0) @binding(3) var<storage, read> columns: array<u32>;
@group(0) @binding(4) var<storage, read_write> norms: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> run: Run;

const none = 0xffffffffu;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    let sample = id.y;
    if c >= p.channels {
        return;
    }
    let gainAt = columns[p.columns + 2u * c];
    let biasAt = columns[p.columns + 2u * c + 1u];
    var scale = 0.0;
    var shift = 0.0;
    if gainAt != none {
        let row0 = p.table + run.row0 * p.tabled * 2u * p.channels + c;
        let row1 = p.table + run.row1 * p.tabled * 2u * p.channels + c;
        var mean = tables[row0];
        var variance = tables[row0 + p.channels];
        if run.weight1 != 0.0 && p.tabled != 0u {
            mean = run.weight0 * mean + run.weight1 * tables[row1];
            variance = run.weight0 * variance + run.weight1 * tables[row1 + p.channels];
        }
        let gain = p.one + gains[p.gainBase + sample * p.gainSample + gainAt];
        scale = gain / sqrt(variance + p.eps);
        shift = fma(-mean, scale, biases[p.biasBase + sample * p.biasSample + biasAt]);
    }
    let at = p.base + sample * p.sample + c;
    norms[at] = scale;
    norms[at + p.shiftAt] = shift;
}
