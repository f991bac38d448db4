{{define "views"}}
// View is a feature map of some channels of a buffer, [sample, pixel, channel], read through
// normalisation, rectification and upsampling. Offsets and strides are in values.
struct View {
    base: u32, sample: u32, pixel: u32, width: u32,
    nBase: u32, nSample: u32, nShift: u32, normed: u32,
    floor: f32, up: u32, channels: u32, factor: f32,
}

// Out is where a kernel writes and how much: items of [sample, y, x, channel], whose channels are
// padded with zeros. A row of the grid has span items.
struct Out {
    base: u32, sample: u32, pixel: u32, width: u32,
    items: u32, span: u32, channels: u32, padded: u32,
    height: u32, mode: u32, extra: u32, spare: u32,
}
{{end}}

{{define "read"}}
fn read_{{.}}(sample: u32, py: u32, px: u32, c: u32) -> f32 {
    let pixel = (py >> p.{{.}}.up) * p.{{.}}.width + (px >> p.{{.}}.up);
    var v = {{.}}[p.{{.}}.base + sample * p.{{.}}.sample + pixel * p.{{.}}.pixel + c];
    if p.{{.}}.normed != 0u {
        let at = p.{{.}}.nBase + sample * p.{{.}}.nSample + c;
        v = fma(v, norms[at], norms[at + p.{{.}}.nShift]);
    }
    return select(v, max(v, 0.0), p.{{.}}.floor == 0.0); // NaN stays, where nothing is rectified
}
{{end}}

{{define "item"}}
// Item is one value that a kernel writes.
struct Item { sample: u32, y: u32, x: u32, c: u32 }

fn item(i: u32) -> Item {
    let pixel = i / p.y.padded;
    let row = pixel / p.y.width;
    return Item(row / p.y.height, row % p.y.height, pixel % p.y.width, i % p.y.padded);
}

fn target_of(at: Item) -> u32 {
    return p.y.base + at.sample * p.y.sample + (at.y * p.y.width + at.x) * p.y.pixel + at.c;
}
{{end}}
