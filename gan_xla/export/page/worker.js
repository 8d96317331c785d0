// The networks, beside the page, which stays responsive. ort is onnxruntime-web, which comes before this text.
"use strict";

const LIMIT = 512; // pixels of the longer side, where the network takes any size
const SMALLEST = 8;

const sessions = {};
let about;

/** Text of base64 and gzip -> bytes. */
async function unpacked(text) {
  const packed = await (await fetch(`data:application/octet-stream;base64,${text}`)).blob();
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function load({ model, runtime }) {
  about = model.about;
  ort.env.wasm.numThreads = 1; // more need headers that a file or a plain server does not send
  ort.env.wasm.wasmBinary = await unpacked(runtime.binary);
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([runtime.glue], { type: "text/javascript" })) };
  for (const [name, text] of Object.entries(model.networks)) {
    sessions[name] = await ort.InferenceSession.create(new Uint8Array(await unpacked(text)));
  }
}

/** The weights of Pillow's bicubic filter, which is antialiased when it shrinks: for each output, [first, weights]. */
function taps(from, to) {
  const scale = from / to, wide = Math.max(scale, 1), support = 2 * wide;
  const cubic = (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const last = Math.min(from, Math.floor(centre + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, k) => cubic(Math.abs((first + k - centre + 0.5) / wide)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, weights.map((w) => w / sum)];
  });
}

/** {data, width, height}, c numbers a pixel -> the same with rows of another length, turned by 90 degrees. */
function resizeRows({ data, width, height }, to, c) {
  const result = new Uint8ClampedArray(to * height * c); // rounds and clips, as Pillow does after each pass
  taps(width, to).forEach(([first, weights], x) => {
    for (let y = 0; y < height; y++) {
      for (let channel = 0; channel < c; channel++) {
        let sum = 0, at = (y * width + first) * c + channel;
        for (let k = 0; k < weights.length; k++, at += c) sum += weights[k] * data[at];
        result[(x * height + y) * c + channel] = sum;
      }
    }
  });
  return { data: result, width: height, height: to };
}

const resize = (image, width, height, c) => resizeRows(resizeRows(image, width, c), height, c);

/** Opaque RGBA -> c numbers a pixel. */
function channels({ data, width, height }, c) {
  const result = new Uint8ClampedArray(width * height * c);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = data.subarray(4 * i, 4 * i + 3);
    if (c === 1) result[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16; // Pillow's greyscale
    else result.set([r, g, b], c * i);
  }
  return { data: result, width, height };
}

function cut({ data, width }, left, top, w, h, c) {
  const result = new Uint8ClampedArray(w * h * c);
  for (let y = 0; y < h; y++) {
    const start = ((top + y) * width + left) * c;
    result.set(data.subarray(start, start + w * c), y * w * c);
  }
  return { data: result, width: w, height: h };
}

/** [width, height] of the largest window of an aspect ratio in another: gan_xla.images.files._largest. */
function largest([w, h], [width, height]) {
  const part = (length, some, whole) => Math.max(1, Math.floor((2 * length * some + whole) / (2 * whole)));
  return height * w > width * h ? [width, part(width, h, w)] : [part(height, w, h), height];
}

/** The middle of an image, [width, height] pixels of it. */
const middle = (image, [w, h], c) =>
  cut(image, Math.floor((image.width - w) / 2), Math.floor((image.height - h) / 2), w, h, c);

/** The image as the network takes it, and the window of it that is not padding: gan_xla.images.fit. */
function fit(image, c) {
  const given = [image.width, image.height];
  if (!about.size) {
    const multiple = about.size_multiple, scale = Math.min(1, LIMIT / Math.max(...given));
    const least = Math.ceil(SMALLEST / multiple);
    const [w, h] = given.map((length) => multiple * Math.max(least, Math.round((length * scale) / multiple)));
    return [resize(image, w, h, c), [0, 0, w, h]];
  }
  const [high, wide] = Array.isArray(about.size) ? about.size : [about.size, about.size], size = [wide, high];
  if (about.fit === "native") {
    const scale = Math.max(...given.map((length, i) => size[i] / length));
    const larger = given.map((length, i) => Math.max(size[i], Math.floor(length * scale + 0.5)));
    return [middle(scale > 1 ? resize(image, ...larger, c) : image, size, c), [0, 0, ...size]];
  }
  if (about.fit === "crop") image = middle(image, largest(size, given), c);
  if (about.fit !== "pad") return [resize(image, ...size, c), [0, 0, ...size]];
  const [w, h] = largest(given, size), left = Math.floor((wide - w) / 2), top = Math.floor((high - h) / 2);
  const [r, g, b] = about.background;
  const behind = channels({ data: new Uint8ClampedArray([r, g, b, 255]), width: 1, height: 1 }, c).data;
  const padded = { data: new Uint8ClampedArray(wide * high * c), width: wide, height: high };
  for (let i = 0; i < wide * high; i++) padded.data.set(behind, i * c);
  const small = resize(image, w, h, c);
  for (let y = 0; y < h; y++) {
    padded.data.set(small.data.subarray(y * w * c, (y + 1) * w * c), ((top + y) * wide + left) * c);
  }
  return [padded, [left, top, w, h]];
}

/** c numbers a pixel -> ImageData of the window. */
function picture(image, window, c) {
  const { data, width, height } = cut(image, ...window, c), result = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const pixel = data.subarray(c * i, c * i + c);
    result.data.set(c === 1 ? [pixel[0], pixel[0], pixel[0], 255] : [...pixel, 255], 4 * i);
  }
  return result;
}

async function translate({ image, network, label, style }) {
  const c = about.channels === "grey" ? 1 : 3;
  const [x, window] = fit(channels(image, c), c);
  const feeds = { image: new ort.Tensor("uint8", new Uint8Array(x.data.buffer), [1, x.height, x.width, c]) };
  if (label) feeds.label = new ort.Tensor("float32", Float32Array.from(label), [1, label.length]);
  if (style) feeds.style = new ort.Tensor("float32", Float32Array.from(style), [1, style.length]);
  const { translation } = await sessions[network].run(feeds);
  const [, height, width] = translation.dims;
  const result = { data: new Uint8ClampedArray(translation.data), width, height };
  return { source: picture(x, window, c), result: picture(result, window, c) };
}

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, value: await { load, translate }[data.action](data) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
};

// What nobody waits for becomes an error of the worker, which the page tells.
addEventListener("unhandledrejection", ({ reason }) => {
  throw reason;
});
