// Between channels first and channels last. Mode 0 reads a flat [channels, height, width] a sample and
// writes a map; mode 1 reads a view and writes it flat, without padding.
{{template "views"}}
struct Params { a: View, y: Out }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
{{template "read" "a"}}{{template "item"}}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.y * p.y.span + id.x;
    if id.x >= p.y.span || i >= p.y.items {
        return;
    }
    if p.y.mode == 0u {
        let at = item(i);
        var v = 0.0;
        if at.c < p.y.channels {
            v = a[p.a.base + at.sample * p.a.sample + (at.c * p.y.height + at.y) * p.y.width + at.x];
        }
        y[target_of(at)] = v;
        return;
    }
    let column = i % p.y.width;
    let row = (i / p.y.width) % p.y.height;
    let plane = i / (p.y.width * p.y.height);
    y[i] = read_a(plane / p.y.channels, row, column, plane % p.y.channels);
}
