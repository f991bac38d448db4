// Keys of attention as the right factor of a product: y[sample, channel, pixel] = a, pixels padded with
// zeros. Here the item's channel is the pixel, its x the channel.
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
    if at.c < p.y.channels && at.x < p.a.channels {
        v = read_a(at.sample, at.c / p.y.extra, at.c % p.y.extra, at.x);
    }
    y[target_of(at)] = v;
}
