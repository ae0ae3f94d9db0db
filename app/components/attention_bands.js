// Read after attention_canvas.js, into the same module: what the canvas says, and how it is pointed at.

const states = new WeakMap()

function say(state, query, lit) {
  const { data } = state
  const price = name => data.prices[name][query].toLocaleString("en", { minimumFractionDigits: data.decimals, maximumFractionDigits: data.decimals })
  const hint = state.hover === null ? "point at a candle, or use the arrow keys; Esc is the newest bar" : "click to fix it"
  const who = `${data.labels[query]}`
  const values = ["open", "high", "low", "close"].map(name => `${name} ${price(name)}`).join("  ")
  const band = data.bands[state.glow] ?? state.relevance
  const total = lit.weights.reduce((sum, w) => sum + w, 0) || 1
  const within = bars => Math.round((100 * lit.weights.slice(Math.max(lit.query + 1 - bars, 0)).reduce((sum, w) => sum + w, 0)) / total)
  const most = strongest(lit).map(bar => `${data.labels[bar]} (${percent(lit.weights[bar])}, ${ago(lit.query - bar)})`)
  const newest = state.glow === data.bands.length ? `, at ${data.labels[data.size - 1]}` : ""
  fill(state.root.querySelector(".who"), [["b", who], ["", ` looks · ${values} · `], ["hint", hint]])
  const what = most.length
    ? [["b", `${band.about}${newest}`], ["", `: ${within(20)}% on the last 20 bars, ${within(50)}% on the last 50; most on ${most.join(", ")}`]]
    : [["b", `${band.about}${newest}`], ["", ": nothing"]]
  fill(state.root.querySelector(".what"), what)
  const stage = state.stage
  stage.setAttribute("aria-valuemin", 0)
  stage.setAttribute("aria-valuemax", data.size - 1)
  stage.setAttribute("aria-valuenow", query)
  stage.setAttribute("aria-valuetext", `${who}. ${what.map(part => part[1]).join("")}`)
}

function fill(element, parts) {
  element.replaceChildren(...parts.map(([kind, text]) => {
    const part = document.createElement(kind === "b" ? "b" : "span")
    if (kind === "hint") part.className = "hint"
    part.textContent = text
    return part
  }))
}

function redraw(state) {
  if (!state.frame) state.frame = requestAnimationFrame(() => draw(state))
}

function layOut(state) {
  state.width = state.stage.clientWidth
  state.height = heightOf(state)
  state.stage.style.height = `${state.height}px`
  if (!state.width) return
  const buttons = []
  for (let band = 0; band < bandCount(state); band++) {
    const { name, about } = state.data.bands[band] ?? state.relevance
    const button = document.createElement("button")
    button.type = "button"
    button.textContent = name
    button.title = `${about}: light the candles by this band`
    button.style.cssText = `top:${bandTop(band)}px;height:${BAND}px;width:${LEFT - 8}px`
    button.setAttribute("aria-pressed", String(band === state.glow))
    button.onclick = event => {
      event.stopPropagation()
      light(state, band)
    }
    buttons.push(button)
  }
  state.root.querySelector(".labels").replaceChildren(...buttons)
  drawCandles(state)
  redraw(state)
}

function light(state, band) {
  state.glow = band
  state.root.querySelectorAll(".labels button").forEach((button, i) => button.setAttribute("aria-pressed", String(i === band)))
  redraw(state)
  const layer = state.data.bands[band]?.layer
  if (layer && layer !== state.layer) {
    state.layer = layer
    state.send("layer", layer)
  }
}

function fix(state, bar, wait) {
  state.looks = bar
  clearTimeout(state.timer)
  state.timer = setTimeout(() => {
    state.timer = 0
    state.sent = { bar, at: performance.now() }
    state.send("fixed", state.data.opens[bar])
  }, wait)
  redraw(state)
}

function barAt(state, event) {
  const box = state.stage.getBoundingClientRect()
  const bar = Math.floor((event.clientX - box.left - LEFT) / state.scale.step)
  return { y: event.clientY - box.top, x: event.clientX - box.left, bar, inside: bar >= 0 && bar < state.data.size }
}

function point(state, event) {
  if (!state.scale) return
  const at = barAt(state, event)
  if (at.inside && at.y < TOP + CANDLES + GAP / 2) {
    hideTip(state)
    if (state.hover !== at.bar) {
      state.hover = at.bar
      tell(state.data.labels[at.bar])
      redraw(state)
    }
  } else if (at.inside && at.y < bandTop(bandCount(state))) showTip(state, at)
  else leave(state)
}

function leave(state) {
  hideTip(state)
  if (state.hover !== null) {
    state.hover = null
    tell(null)
    redraw(state)
  }
}

// The crosshair that all charts of the page share.
function tell(name) {
  window.dispatchEvent(new CustomEvent("lookback-crosshair", { detail: { name, canvas: true } }))
}

function followCrosshair(state, { detail }) {
  if (detail.canvas) return
  const found = detail.name === null ? -1 : state.data.labels.indexOf(detail.name)
  const pointed = found < 0 ? null : found
  if (pointed === state.pointed) return
  state.pointed = pointed
  redraw(state)
}

function hideTip(state) {
  state.root.querySelector(".tip").hidden = true
}

function showTip(state, at) {
  const tip = state.root.querySelector(".tip")
  const query = shown(state)
  const lines = [`${state.data.labels[at.bar]}, seen from ${state.data.labels[query]}: ${at.bar > query ? "not yet there" : ago(query - at.bar)}`]
  for (let band = 0; band < bandCount(state); band++) {
    const row = rowOf(state, band, query)
    const { name } = state.data.bands[band] ?? state.relevance
    const seen = at.bar < row.codes.length && row.codes[at.bar] > 0
    lines.push(`${name}: ${seen ? percent(row.weights[at.bar]) : "may not look there"}`)
  }
  tip.textContent = lines.join("\n")
  tip.hidden = false
  const left = at.x > state.width / 2
  tip.style.left = left ? "" : `${at.x + 14}px`
  tip.style.right = left ? `${state.width - at.x + 14}px` : ""
  tip.style.bottom = `${state.height - at.y + 10}px`
}

const MOVES = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9, Escape: 1e9 }

function press(state, event) {
  const move = MOVES[event.key]
  if (event.target !== state.stage || !(move || event.key === "Enter")) return
  event.preventDefault()
  const from = shown(state)
  state.hover = null
  fix(state, Math.min(Math.max(from + (move ?? 0), 0), state.data.size - 1), event.key === "Enter" ? 0 : 350)
}

// What the server says the looking bar is; an echo of an older click must not undo a newer one.
function followLooks(state) {
  const said = document.documentElement.dataset.lookbackLooks
  if (!said) return
  const { token, looks, relevance } = JSON.parse(said)
  if (token !== state.data.token) return
  const stale = state.timer || (state.sent && performance.now() - state.sent.at < 3000 && state.sent.bar !== looks)
  if (!stale) {
    state.looks = Math.min(looks, state.data.size - 1)
    state.sent = null
  }
  const text = JSON.stringify(relevance)
  if (text !== state.relevanceText) {
    state.relevanceText = text
    state.relevance = relevance && relevance.shares.length === state.data.size ? relevance : null
    if (state.glow >= bandCount(state)) state.glow = Math.max(state.layer - 1, 0)
    layOut(state)
  } else redraw(state)
}

function followMap(state) {
  const [layer] = (document.documentElement.dataset.lookbackMap ?? "").split(",").map(Number)
  const band = state.data.bands.findIndex(found => found.layer === layer)
  if (band < 0 || layer === state.layer) return
  state.layer = layer
  state.glow = band
  state.root.querySelectorAll(".labels button").forEach((button, i) => button.setAttribute("aria-pressed", String(i === band)))
  redraw(state)
}

function begin(root) {
  const state = {
    root, stage: root.querySelector(".stage"), under: root.querySelector(".under"), over: root.querySelector(".over"),
    hover: null, pointed: null, looks: 0, glow: 0, layer: 0, relevance: null, relevanceText: "null", frame: 0, timer: 0, sent: null,
  }
  state.onLooks = () => followLooks(state)
  state.onMap = () => followMap(state)
  state.onCrosshair = event => followCrosshair(state, event)
  window.addEventListener("lookback-crosshair", state.onCrosshair)
  window.addEventListener("lookback-looks", state.onLooks)
  window.addEventListener("lookback-map", state.onMap)
  state.observer = new ResizeObserver(() => {
    if (state.stage.clientWidth !== state.width) layOut(state)
  })
  state.observer.observe(state.stage)
  return state
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".bands")
  if (!root || !data) return
  let state = states.get(root)
  if (!state) states.set(root, (state = begin(root)))
  state.send = setTriggerValue
  state.data = readMaps(data)
  state.theme = readTheme(parentElement.host ?? root, state.data)
  if (state.token !== state.data.token) {
    clearTimeout(state.timer)
    Object.assign(state, { token: state.data.token, looks: state.data.size - 1, timer: 0, sent: null })
  }
  state.relevanceText = ""
  state.hover = state.hover !== null && state.hover < state.data.size ? state.hover : null
  state.stage.onpointermove = event => point(state, event)
  state.stage.onpointerleave = () => leave(state)
  state.stage.onclick = event => {
    const at = barAt(state, event)
    if (!at.inside || at.y > TOP + CANDLES + GAP / 2) return
    state.stage.focus({ preventScroll: true })
    fix(state, at.bar, 0)
  }
  state.stage.onkeydown = event => press(state, event)
  followMap(state)
  followLooks(state)
  layOut(state)
  state.stage.dataset.ready = `${state.data.token}, ${state.data.bands[0].about}`
  return () => {
    window.removeEventListener("lookback-looks", state.onLooks)
    window.removeEventListener("lookback-map", state.onMap)
    window.removeEventListener("lookback-crosshair", state.onCrosshair)
    state.observer.disconnect()
    states.delete(root)
  }
}
