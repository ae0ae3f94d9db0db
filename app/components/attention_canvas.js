// What is drawn: candles on one canvas, and under it, on another, all that follows the pointer.

const LEFT = 148, RIGHT = 74, TOP = 20, CANDLES = 290, GAP = 10, BAND = 22, BETWEEN = 5, AXIS = 26
const STRONGEST = 3

// Body: float32 tops (B, T), float32 prices (4, T), lower triangles as bytes.
function readMaps(bytes) {
  const { header, body } = readPayload(bytes)
  const buffer = body.slice().buffer, T = header.size, B = header.bands.length
  const tops = new Float32Array(buffer, 0, B * T)
  const price = n => new Float32Array(buffer, 4 * (B + n) * T, T)
  const prices = { open: price(0), high: price(1), low: price(2), close: price(3) }
  return { ...header, tops, prices, codes: new Uint8Array(buffer, 4 * (B + 4) * T) }
}

function readTheme(host, data) {
  const style = getComputedStyle(host)
  const color = name => style.getPropertyValue(name).trim()
  const back = color("--st-background-color"), dark = isDark(host)
  const chosen = dark ? data.dark : data.light
  return {
    dark, back, ink: color("--st-text-color"), border: color("--st-border-color"),
    font: color("--st-font") || "sans-serif", up: chosen.up, down: chosen.down,
    table: colorTable(chosen.stops).map(rgb => `rgb(${rgb})`), glow: dark ? [150, 138, 255] : [106, 91, 208],
  }
}

// Codes and weights of one row of one band: 0 means the layer may not look there.
function rowOf(state, band, query) {
  const { data, relevance } = state
  if (band === data.bands.length) {
    const top = Math.max(...relevance.shares) || 1
    return { codes: relevance.shares.map(s => 1 + Math.round(254 * Math.sqrt(s / top))), weights: relevance.shares, top, query: data.size - 1 }
  }
  const T = data.size
  const start = band * ((T * (T + 1)) / 2) + (query * (query + 1)) / 2
  const codes = data.codes.subarray(start, start + query + 1)
  const top = data.tops[band * T + query]
  return { codes, weights: Array.from(codes, c => (c ? ((c - 1) / 254) ** 2 * top : 0)), top, query }
}

const bandCount = state => state.data.bands.length + (state.relevance ? 1 : 0)
const bandTop = band => TOP + CANDLES + GAP + band * (BAND + BETWEEN)
const heightOf = state => bandTop(bandCount(state)) + AXIS
const shown = state => state.hover ?? state.looks
const percent = w => (w >= 0.0995 ? (100 * w).toFixed(0) : (100 * w).toFixed(1)) + "%"
const ago = bars => (bars === 0 ? "itself" : bars === 1 ? "1 bar before" : `${bars} bars before`)

function sizeCanvas(canvas, width, height, ratio) {
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  const context = canvas.getContext("2d")
  context.clearRect(0, 0, canvas.width, canvas.height)
  return context
}

function scales(state) {
  const { prices, size } = state.data
  const ratio = window.devicePixelRatio || 1
  const step = (state.width - LEFT - RIGHT) / size
  let low = Infinity, high = -Infinity
  for (let i = 0; i < size; i++) {
    low = Math.min(low, prices.low[i])
    high = Math.max(high, prices.high[i])
  }
  const room = (high - low) * 0.04 || Math.abs(high) * 0.01 || 1
  low -= room
  high += room
  return {
    ratio, step, low, high,
    x: bar => (LEFT + bar * step) * ratio,
    y: price => (TOP + (CANDLES * (high - price)) / (high - low)) * ratio,
  }
}

function niceStep(span, count) {
  const raw = span / count
  const power = 10 ** Math.floor(Math.log10(raw))
  return power * [1, 2, 5, 10].find(m => m * power >= raw)
}

// Candles, axes and grid: drawn anew only when data, size or theme change.
function drawCandles(state) {
  const { data, theme, over } = state
  const s = (state.scale = scales(state))
  const g = sizeCanvas(over, state.width, state.height, s.ratio)
  const right = s.x(data.size), bottom = bandTop(bandCount(state)) * s.ratio
  const line = Math.max(1, Math.round(s.ratio))
  g.font = `${11 * s.ratio}px ${theme.font}`
  g.fillStyle = theme.ink
  g.textBaseline = "middle"
  const step = niceStep(s.high - s.low, 5)
  for (let price = Math.ceil(s.low / step) * step; price < s.high; price += step) {
    const y = Math.round(s.y(price))
    g.globalAlpha = 0.12
    g.fillRect(s.x(0), y, right - s.x(0), line)
    g.globalAlpha = 0.8
    g.fillText(price.toLocaleString("en", { minimumFractionDigits: data.decimals, maximumFractionDigits: data.decimals }), right + 6 * s.ratio, y)
  }
  const each = Math.ceil(110 / s.step)
  g.textBaseline = "top"
  g.textAlign = "center"
  for (let bar = Math.floor(each / 2); bar < data.size; bar += each) {
    const x = Math.round(s.x(bar + 0.5))
    g.fillRect(x, bottom, line, 4 * s.ratio)
    g.fillText(data.labels[bar], x, bottom + 6 * s.ratio)
  }
  g.textAlign = "right"
  g.fillText("bar open, UTC", s.x(0) - 8 * s.ratio, bottom + 6 * s.ratio)
  g.textBaseline = "top"
  g.fillText("price", s.x(0) - 8 * s.ratio, TOP * s.ratio)
  g.globalAlpha = 1
  const { open, high, low, close } = data.prices
  const body = Math.max(line, Math.round(s.step * s.ratio * 0.62))
  for (let i = 0; i < data.size; i++) {
    const rising = close[i] >= open[i]
    g.fillStyle = rising ? theme.up : theme.down
    const x = Math.round(s.x(i + 0.5) - body / 2)
    const top = Math.round(s.y(Math.max(open[i], close[i]))), end = Math.round(s.y(Math.min(open[i], close[i])))
    const wick = x + Math.floor((body - line) / 2)
    const from = Math.round(s.y(high[i]))
    g.fillRect(wick, from, line, Math.max(Math.round(s.y(low[i])) - from, line))
    if (rising && body >= 3 * line && end - top > 2 * line) {
      g.fillRect(x, top, body, end - top)
      g.clearRect(x + line, top + line, body - 2 * line, end - top - 2 * line)
    } else g.fillRect(x, top, body, Math.max(end - top, line))
  }
}

function hatch(g, x, y, width, height, ratio, color) {
  if (width <= 0) return
  g.save()
  g.beginPath()
  g.rect(x, y, width, height)
  g.clip()
  g.strokeStyle = color
  g.globalAlpha = 0.16
  g.lineWidth = ratio
  g.beginPath()
  for (let at = x - height; at < x + width; at += 6 * ratio) {
    g.moveTo(at, y + height)
    g.lineTo(at + height, y)
  }
  g.stroke()
  g.restore()
}

function drawBand(g, state, band, query) {
  const { theme, scale: s, data } = state
  const row = rowOf(state, band, query)
  const y = Math.round(bandTop(band) * s.ratio), height = Math.round(BAND * s.ratio)
  let first = row.codes.findIndex(code => code > 0)
  if (first < 0) first = row.codes.length
  hatch(g, s.x(0), y, s.x(first) - s.x(0), height, s.ratio, theme.ink)
  hatch(g, s.x(row.query + 1), y, s.x(data.size) - s.x(row.query + 1), height, s.ratio, theme.ink)
  for (let bar = first; bar < row.codes.length; bar++) {
    const x = Math.round(s.x(bar))
    g.fillStyle = theme.table[row.codes[bar]]
    g.fillRect(x, y, Math.round(s.x(bar + 1)) - x, height)
  }
  g.strokeStyle = band === state.glow ? theme.ink : theme.border
  g.lineWidth = s.ratio
  g.strokeRect(s.x(0), y, s.x(data.size) - s.x(0), height)
  g.fillStyle = theme.ink
  g.globalAlpha = 0.8
  g.textAlign = "left"
  g.textBaseline = "middle"
  g.fillText(`max ${percent(row.top)}`, s.x(data.size) + 6 * s.ratio, y + height / 2)
  g.globalAlpha = 1
  return row
}

function drawGlow(g, state, row) {
  const { scale: s, theme, data } = state
  const [red, green, blue] = theme.glow
  const pad = 7 * s.ratio
  for (let bar = 0; bar < row.codes.length; bar++) {
    const strength = row.codes[bar] ? (row.codes[bar] - 1) / 254 : 0
    if (strength < 0.2) continue
    const top = s.y(data.prices.high[bar]) - pad, end = s.y(data.prices.low[bar]) + pad
    g.fillStyle = `rgba(${red},${green},${blue},${0.8 * strength ** 1.5})`
    const x = Math.round(s.x(bar))
    g.fillRect(x, top, Math.round(s.x(bar + 1)) - x, end - top)
  }
}

function strongest(row) {
  return Array.from(row.weights.keys()).filter(i => row.weights[i] > 0).sort((a, b) => row.weights[b] - row.weights[a]).slice(0, STRONGEST)
}

// Numbers beside the glow, so that it does not rest on colour alone.
function drawRanks(g, state, row) {
  const { scale: s, theme, data } = state
  g.font = `600 ${11 * s.ratio}px ${theme.font}`
  g.textAlign = "center"
  g.textBaseline = "bottom"
  const taken = []
  strongest(row).forEach((bar, rank) => {
    const text = `${rank + 1}: ${percent(row.weights[bar])}`
    const half = g.measureText(text).width / 2 + 2 * s.ratio, line = 13 * s.ratio
    const x = Math.min(Math.max(s.x(bar + 0.5), s.x(0) + half), s.x(data.size) - half)
    const near = Math.ceil(half / s.ratio / s.step)
    const high = Math.max(...data.prices.high.slice(Math.max(bar - near, 0), bar + near + 1))
    const start = Math.max(s.y(high) - 9 * s.ratio, line)
    // Upwards from the candle as far as there is room, then downwards from it: three labels always find a place.
    const free = y => !taken.some(other => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < line)
    let y = start
    while (!free(y) && y - line >= line) y -= line
    if (!free(y)) for (y = start; !free(y); ) y += line
    taken.push({ x, y, half })
    g.fillStyle = theme.ink
    g.fillText(text, x, y)
  })
  g.font = `${11 * s.ratio}px ${theme.font}`
}

function drawLine(g, state, bar, text, dashed) {
  const { scale: s, theme } = state
  const x = Math.round(s.x(bar + 0.5))
  g.strokeStyle = g.fillStyle = theme.ink
  g.lineWidth = Math.max(1, Math.round(s.ratio))
  g.setLineDash(dashed ? [4 * s.ratio, 4 * s.ratio] : [])
  g.globalAlpha = dashed ? 0.6 : 1
  g.beginPath()
  g.moveTo(x, (TOP - 6) * s.ratio)
  g.lineTo(x, bandTop(bandCount(state)) * s.ratio)
  g.stroke()
  g.setLineDash([])
  const left = bar > state.data.size / 2
  g.textAlign = left ? "right" : "left"
  g.textBaseline = "top"
  g.fillText(left ? `${text} ▾` : `▾ ${text}`, x + (left ? 5 : -5) * s.ratio, 2 * s.ratio)
  g.globalAlpha = 1
}

// All that follows the pointer.
function draw(state) {
  state.frame = 0
  const { data, scale: s, theme, under } = state
  const query = shown(state)
  const g = sizeCanvas(under, state.width, state.height, s.ratio)
  g.font = `${11 * s.ratio}px ${theme.font}`
  const lit = rowOf(state, state.glow, query)
  const seen = data.bands[state.glow]?.window ?? null
  const from = seen === null ? 0 : Math.max(query + 1 - seen, 0)
  g.fillStyle = theme.ink
  g.globalAlpha = 0.06
  g.fillRect(s.x(from), TOP * s.ratio, s.x(lit.query + 1) - s.x(from), CANDLES * s.ratio)
  g.globalAlpha = 1
  drawGlow(g, state, lit)
  for (let band = 0; band < bandCount(state); band++) drawBand(g, state, band, query)
  if (state.hover !== null && state.hover !== state.looks) drawLine(g, state, state.looks, "fixed", true)
  if (state.pointed !== null && state.pointed < data.size) drawLine(g, state, state.pointed, "pointed at", true)
  drawLine(g, state, query, "looks", false)
  drawRanks(g, state, lit)
  say(state, query, lit)
  state.stage.dataset.looks = query
  state.stage.dataset.glow = state.glow
}
