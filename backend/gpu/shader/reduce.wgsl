// Sums for each sample: over pixels for each channel (mode 0: a vector), or over channels of a·b
// (mode 1: the inner product). A thread makes one value; in the discriminator there are few.
{{template "views"}}
struct Params { a: View, b: View, y: Out }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> norms: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
{{template "read" "a"}}{{template "read" "b"}}{{template "item"}}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.y * p.y.span + id.x;
    if id.x >= p.y.span || i >= p.y.items {
        return;
    }
    let at = item(i);
    var sum = 0.0;
    if at.c < p.y.channels && p.y.mode == 0u {
        for (var row = 0u; row < p.y.extra; row++) {
            var part = 0.0;
            for (var column = 0u; column < p.y.spare; column++) {
                part += read_a(at.sample, row, column, at.c);
            }
            sum += part;
        }
    } else if at.c < p.y.channels {
        for (var c = 0u; c < p.y.extra; c++) {
            sum = fma(read_a(at.sample, 0u, 0u, c), read_b(at.sample, 0u, 0u, c), sum);
        }
    }
    y[target_of(at)] = sum;
}
