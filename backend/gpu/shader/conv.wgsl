// Convolution as a matrix product: rows are output pixels of all samples, columns are
// channels, the depth is taps x input channels. The input is normalised and rectified as it is
// read; bias, residual and tanh are applied as the result is stored. A z of the grid is one of the
// four phases of a convolution after upsampling, or a sample whose right factor is its own.
//
// A thread computes {{.Rows}} rows by {{.Quads}} quads of channels; threads lie {{.Wide}} along the
// columns and {{.High}} along the rows. All offsets and strides are in quads (vec4).
struct Params {
    rows: u32, pixels: u32, width: u32, height: u32,
    outs: u32, depth: u32, taps: u32, tapsWide: u32,
    top: i32, left: i32, floor: f32, tanh: u32,
    xBase: u32, xSample: u32, xPixel: u32, xZ: u32,
    nBase: u32, nSample: u32, nShift: u32, scale: u32,
    wBase: u32, wRow: u32, wZ: u32, phase: u32,
    yBase: u32, ySample: u32, yPixel: u32, yZ: u32,
    rBase: u32, rSample: u32, rPixel: u32, rUp: u32,
    yWidth: u32, rWidth: u32, residual: u32, rowFrom: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> norms: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weights: array<{{if .Half}}vec2<u32>{{else}}vec4<f32>{{end}}>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> other: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> p: Params;

fn weight(i: u32) -> vec4<f32> {
{{- if .Half}}
    let pair = weights[i];
    return vec4<f32>(unpack2x16float(pair.x), unpack2x16float(pair.y));
{{- else}}
    return weights[i];
{{- end}}
}

// Place is where a row reads: its sample, and its pixel on the input.
struct Place { sample: u32, y: u32, x: u32 }

fn place(row: u32) -> Place {
    let r = min(row, p.rows - 1u) + p.rowFrom;
    let pixel = r % p.pixels;
    return Place(r / p.pixels, pixel / p.width, pixel % p.width);
}

// tap is the quad where a row's input of a tap begins, or none beyond the border.
const none = 0xffffffffu;

fn tap(at: Place, ty: i32, tx: i32) -> u32 {
    let sy = i32(at.y) + ty;
    let sx = i32(at.x) + tx;
    let inside = sy >= 0 && sy < i32(p.height) && sx >= 0 && sx < i32(p.width);
    let pixel = u32(sy) * p.width + u32(sx);
    return select(none, p.xBase + at.sample * p.xSample + pixel * p.xPixel, inside);
}

// fetch gives four input channels, normalised, rectified, zero beyond the border.
fn fetch(from: u32, z: u32, k: u32{{if .Norm}}, scale: vec4<f32>, shift: vec4<f32>{{end}}) -> vec4<f32> {
    let inside = from != none;
    let v = x[select(p.xBase, from, inside) + z * p.xZ + k];
{{- if .Norm}}
    let n = max(fma(v, scale, shift), vec4<f32>(p.floor));
{{- else}}
    let n = max(v, vec4<f32>(p.floor));
{{- end}}
    return select(vec4<f32>(0.0), n, inside);
}

// store finishes and writes four channels of a row.
fn store(at: Place, quad: u32, z: u32, sum: vec4<f32>) {
    let phase = z * p.phase;
    let oy = at.y * p.scale + phase / 2u;
    let ox = at.x * p.scale + phase % 2u;
    var v = sum + bias[quad];
    if p.residual != 0u {
        let pixel = (oy >> p.rUp) * p.rWidth + (ox >> p.rUp);
        v += other[p.rBase + at.sample * p.rSample + pixel * p.rPixel + quad];
    }
    if p.tanh != 0u {
        // not the built-in: some drivers' overflows beyond |x| of 44
        let e = exp(2.0 * clamp(v, vec4<f32>(-12.0), vec4<f32>(12.0)));
        let lost = (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u); // NaN, which clamp may take away
        v = select((e - 1.0) / (e + 1.0), v, lost);
    }
    y[p.yBase + z * p.yZ + at.sample * p.ySample + (oy * p.yWidth + ox) * p.yPixel + quad] = v;
}

{{$c := .}}
{{- if .Shared}}
// A block of {{.BlockRows}} rows and {{.BlockQuads}} quads shares its factors, {{.Depth}} quads of the depth at a time.
var<workgroup> left: array<vec4<f32>, {{mul .BlockRows .Depth}}>;
var<workgroup> right: array<vec4<f32>, {{mul .BlockQuads .Depth 4}}>;
{{- end}}

@compute @workgroup_size({{.Threads}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let z = group.z;
    let phase = z * p.phase;
    let top = p.top + i32(phase / 2u);
    let edge = p.left + i32(phase % 2u);
    // processors take neighbours in x together; where a direction has one thread it is said to be 0, so
    // that the compiler sees what all threads share
    let thread = local.x;
    let across = {{if eq .Wide 1}}0u{{else if eq .High 1}}thread{{else}}thread % {{.Wide}}u{{end}};
    let along = {{if eq .High 1}}0u{{else if eq .Wide 1}}thread{{else}}thread / {{.Wide}}u{{end}};
    let firstRow = group.y * {{.BlockRows}}u + along;
    let firstQuad = group.x * {{.BlockQuads}}u + across;
{{- range $m := seq .Rows}}{{range $q := seq $c.Quads}}
    var c{{$m}}_{{$q}} = vec4<f32>(0.0);
{{- end}}{{end}}
{{- if eq .Norm "group"}}
    let normAt = p.nBase + place(group.y * {{.BlockRows}}u).sample * p.nSample;
{{- end}}
{{- if .Shared}}
    let loadRow = thread % {{.BlockRows}}u;
    let loadPlace = place(group.y * {{.BlockRows}}u + loadRow);
{{- if eq .Norm "row"}}
    let normAt = p.nBase + loadPlace.sample * p.nSample;
{{- end}}
    for (var t = 0u; t < p.taps; t++) {
        let from = tap(loadPlace, top + i32(t / p.tapsWide), edge + i32(t % p.tapsWide));
        for (var k0 = 0u; k0 < p.depth; k0 += {{.Depth}}u) {
            for (var i = thread; i < {{mul .BlockRows .Depth}}u; i += {{.Threads}}u) {
                let k = k0 + i / {{.BlockRows}}u;
                var v = vec4<f32>(0.0);
                if k < p.depth {
                    v = fetch(from, z, k{{if .Norm}}, norms[normAt + k], norms[normAt + p.nShift + k]{{end}});
                }
                left[i] = v;
            }
            for (var i = thread; i < {{mul .BlockQuads .Depth 4}}u; i += {{.Threads}}u) {
                let k = min(4u * k0 + i / {{.BlockQuads}}u, 4u * p.depth - 1u);
                let quad = min(group.x * {{.BlockQuads}}u + i % {{.BlockQuads}}u, p.outs - 1u);
                right[i] = weight(p.wBase + z * p.wZ + (4u * t * p.depth + k) * p.wRow + quad);
            }
            workgroupBarrier();
            for (var k = 0u; k < {{.Depth}}u; k++) {
{{- range $m := seq .Rows}}
                let a{{$m}} = left[k * {{$c.BlockRows}}u + along + {{mul $m $c.High}}u];
{{- end}}
{{- range $i := seq 4}}{{range $q := seq $c.Quads}}
                let b{{$i}}_{{$q}} = right[(4u * k + {{$i}}u) * {{$c.BlockQuads}}u + across + {{mul $q $c.Wide}}u];
{{- range $m := seq $c.Rows}}
                c{{$m}}_{{$q}} = fma(vec4<f32>(a{{$m}}.{{component $i}}), b{{$i}}_{{$q}}, c{{$m}}_{{$q}});
{{- end}}{{end}}{{end}}
            }
            workgroupBarrier();
        }
    }
{{- else}}
{{- range $q := seq .Quads}}
    let w{{$q}} = p.wBase + z * p.wZ + min(firstQuad + {{mul $q $c.Wide}}u, p.outs - 1u);
{{- end}}
{{- range $m := seq .Rows}}
    let place{{$m}} = place(firstRow + {{mul $m $c.High}}u);
{{- if eq $c.Norm "row"}}
    let norm{{$m}} = p.nBase + place{{$m}}.sample * p.nSample;
{{- end}}{{end}}
    for (var t = 0u; t < p.taps; t++) {
        let ty = top + i32(t / p.tapsWide);
        let tx = edge + i32(t % p.tapsWide);
{{- range $m := seq .Rows}}
        let from{{$m}} = tap(place{{$m}}, ty, tx);
{{- end}}
        for (var k = 0u; k < p.depth; k++) {
{{- if eq .Norm "group"}}
            let scale = norms[normAt + k];
            let shift = norms[normAt + p.nShift + k];
{{- end}}
{{- range $m := seq .Rows}}
            let a{{$m}} = fetch(from{{$m}}, z, k{{if eq $c.Norm "group"}}, scale, shift{{else if $c.Norm}}, norms[norm{{$m}} + k], norms[norm{{$m}} + p.nShift + k]{{end}});
{{- end}}
            let row = 4u * (t * p.depth + k) * p.wRow;
{{- range $i := seq 4}}{{range $q := seq $c.Quads}}
            let b{{$i}}_{{$q}} = weight(w{{$q}} + row + {{$i}}u * p.wRow);
{{- range $m := seq $c.Rows}}
            c{{$m}}_{{$q}} = fma(vec4<f32>(a{{$m}}.{{component $i}}), b{{$i}}_{{$q}}, c{{$m}}_{{$q}});
{{- end}}{{end}}{{end}}
        }
    }
{{- end}}
    // a loop, not unrolled: the finish is long, and drivers compile it once
    var sums = array<vec4<f32>, {{mul .Rows .Quads}}>({{range $m := seq .Rows}}{{range $q := seq $c.Quads}}c{{$m}}_{{$q}}, {{end}}{{end}});
    for (var m = 0u; m < {{.Rows}}u; m++) {
        let row = firstRow + m * {{.High}}u;
        let at = place(row);
        for (var q = 0u; q < {{.Quads}}u; q++) {
            let quad = firstQuad + q * {{.Wide}}u;
            if row < p.rows && quad < p.outs {
                store(at, quad, z, sums[m * {{.Quads}}u + q]);
            }
        }
    }
}
