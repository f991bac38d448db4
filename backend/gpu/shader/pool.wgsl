// The maximum (mode 0) or the mean (mode 1) of each 2x2 square.
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
    let at = item(i);
    var v = 0.0;
    if at.c < p.y.channels {
        let v0 = read_a(at.sample, 2u * at.y, 2u * at.x, at.c);
        let v1 = read_a(at.sample, 2u * at.y, 2u * at.x + 1u, at.c);
        let v2 = read_a(at.sample, 2u * at.y + 1u, 2u * at.x, at.c);
        let v3 = read_a(at.sample, 2u * at.y + 1u, 2u * at.x + 1u, at.c);
        v = select(max(max(v0, v1), max(v2, v3)), 0.25 * ((v0 + v1) + (v2 + v3)), p.y.mode == 1u);
    }
    y[target_of(at)] = v;
}
