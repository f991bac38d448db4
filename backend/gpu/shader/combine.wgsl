// Writes a view to a buffer of its own: y = a + factor·b, then tanh if asked. Without b, b's
// factor is 0 and b is a.
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
    var v = 0.0;
    if at.c < p.y.channels {
        v = read_a(at.sample, at.y, at.x, at.c);
        if p.b.factor != 0.0 {
            v += p.b.factor * read_b(at.sample, at.y, at.x, at.c);
        }
        if p.y.mode == 1u {
            let e = exp(2.0 * clamp(v, -12.0, 12.0));
            let lost = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; // NaN, which clamp may take away
            v = select((e - 1.0) / (e + 1.0), v, lost);
        }
    }
    y[target_of(at)] = v;
}
