// A picture in bytes, as backend.Pixel makes them: red, green and blue of pixel after pixel, the first in the
// lowest byte of a word. A thread makes three words of four pixels. Behind them there is a word for each
// workgroup: 1 if one of its values is no number. The grid is [workgroups of a picture, pictures].
{{template "views"}}
struct Params { a: View, y: Out }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> p: Params;

const threads = 64u;
var<workgroup> broken: array<u32, threads>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let quad = group.x * threads + local.x;
    let pixels = p.y.width * p.y.height;
    var words = array<u32, 3>(0u, 0u, 0u);
    var bad = 0u;
    for (var i = 0u; i < 12u; i++) {
        let pixel = 4u * quad + i / 3u;
        if pixel < pixels {
            let v = a[p.a.base + group.y * p.a.sample + pixel * p.a.pixel + i % 3u];
            if (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u { // NaN, which no comparison of floats need find
                bad = 1u;
            } else {
                words[i / 4u] |= u32(clamp((v + 1.0) * 128.0, 0.0, 255.0)) << (8u * (i % 4u));
            }
        }
    }
    let to = group.y * p.y.sample;
    if 4u * quad < pixels {
        for (var i = 0u; i < 3u; i++) {
            y[to + 3u * quad + i] = words[i];
        }
    }
    broken[local.x] = bad;
    workgroupBarrier();
    if local.x == 0u {
        for (var i = 1u; i < threads; i++) {
            bad |= broken[i];
        }
        y[to + p.y.extra + group.x] = bad;
    }
}
