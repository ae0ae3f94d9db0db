// Read before a component's own script, into the same module: what every canvas of codes needs.

// Payload: uint32 little-endian header length, JSON header, then the body.
function readPayload(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)))
  return { header, body: bytes.subarray(4 + length) }
}

function channels(hex) {
  const n = parseInt(hex.slice(1, 7), 16)
  return [(n >> 16) & 255, (n >> 8) & 255, n & 255]
}

// Code -> [r, g, b], stops evenly spaced over 1..255; 0, a masked cell, has the first stop's.
function colorTable(stops) {
  const rgb = stops.map(channels)
  return Array.from({ length: 256 }, (_, code) => {
    const place = (Math.max(code - 1, 0) / 254) * (rgb.length - 1)
    const low = Math.min(Math.floor(place), rgb.length - 2)
    return [0, 1, 2].map(i => Math.round(rgb[low][i] + (place - low) * (rgb[low + 1][i] - rgb[low][i])))
  })
}

function isDark(host) {
  const color = getComputedStyle(host).getPropertyValue("--st-background-color").trim()
  if (!/^#[0-9a-fA-F]{6}/.test(color)) return false
  const [r, g, b] = channels(color)
  return 0.299 * r + 0.587 * g + 0.114 * b < 128
}
