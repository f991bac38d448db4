// Softmax of each row of scores, in place; the padding behind a row becomes zero. A workgroup takes a row.
struct Params { rows: u32, keys: u32, stride: u32, span: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> p: Params;

const threads = 32u;
var<workgroup> part: array<f32, threads>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let row = min(group.y * p.span + group.x, p.rows - 1u);
    let live = group.x < p.span && group.y * p.span + group.x < p.rows;
    let from = row * p.stride;
    var largest = y[from];
    for (var k = local.x; k < p.keys; k += threads) {
        largest = max(largest, y[from + k]);
    }
    part[local.x] = largest;
    workgroupBarrier();
    for (var i = 0u; i < threads; i++) {
        largest = max(largest, part[i]);
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var k = local.x; k < p.keys; k += threads) {
        sum += exp(y[from + k] - largest);
    }
    part[local.x] = sum;
    workgroupBarrier();
    sum = 0.0;
    for (var i = 0u; i < threads; i++) {
        sum += part[i];
    }
    if !live {
        return;
    }
    for (var k = local.x; k < p.stride; k += threads) {
        y[from + k] = select(0.0, exp(y[from + min(k, p.keys - 1u)] - largest) / sum, k < p.keys);
    }
}
