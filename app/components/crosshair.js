// Charts come and go with every run, so nothing is registered on them: the pointer says which one it is over.
const EVENT = "lookback-crosshair"
const LINE = "position:absolute;width:0;border-left:1px dashed currentColor;opacity:.65;pointer-events:none"
const LABEL = "position:absolute;font-size:11px;padding:0 3px;white-space:nowrap;pointer-events:none;" +
  "background:var(--lb-page, Canvas);border-radius:3px"

const charts = () => [...document.querySelectorAll(".js-plotly-plot")].filter(chart => chart._fullLayout?._plots)

function subplots(chart) {
  return Object.values(chart._fullLayout._plots).filter(({ xaxis, yaxis }) => xaxis?._length && yaxis?._length)
}

function subplotAt(chart, event) {
  const box = chart.getBoundingClientRect()
  const x = event.clientX - box.left, y = event.clientY - box.top
  const inside = (axis, at) => at >= axis._offset && at <= axis._offset + axis._length
  const found = subplots(chart).find(({ xaxis, yaxis }) => inside(xaxis, x) && inside(yaxis, y))
  return found ? { axis: found.xaxis, place: found.xaxis.p2l(x - found.xaxis._offset) } : null
}

// What stands at a place of an axis: a bar by its name, a moment, or only a number.
function read({ axis, place }) {
  if (axis.type === "category") return { kind: "category", value: axis._categories[Math.round(place)] }
  return { kind: axis.type, value: place }
}

// Where on another axis the same thing stands; null where it does not.
function placeOn(axis, { kind, value }, own) {
  if (axis.type !== kind || value === undefined) return null
  const place = kind === "category" ? axis._categories.indexOf(value) : value
  if (place < 0 && kind === "category") return null
  if (kind !== "category" && kind !== "date" && !own) return null
  const at = axis.l2p(place)
  return at >= 0 && at <= axis._length ? axis._offset + at : null
}

function layerOf(chart) {
  let layer = chart.querySelector(":scope > .lb-crosshair")
  if (!layer) {
    layer = document.createElement("div")
    layer.className = "lb-crosshair"
    layer.setAttribute("aria-hidden", "true")
    layer.style.cssText = "position:absolute;inset:0;pointer-events:none;overflow:hidden"
    chart.append(layer)
  }
  return layer
}

function drawOn(chart, point, from) {
  const parts = []
  let named = chart === from?.chart
  for (const { xaxis, yaxis } of subplots(chart)) {
    const own = from?.chart === chart && (xaxis._id === from.axis._id || xaxis._matchGroup?.[from.axis._id] !== undefined)
    const x = placeOn(xaxis, point, own)
    if (x === null) continue
    const line = document.createElement("div")
    line.style.cssText = `${LINE};left:${x}px;top:${yaxis._offset}px;height:${yaxis._length}px`
    parts.push(line)
    if (named || point.kind !== "category") continue
    named = true
    const label = document.createElement("div")
    label.textContent = point.value
    label.style.cssText = `${LABEL};top:${yaxis._offset}px;` +
      (x > chart.clientWidth / 2 ? `right:${chart.clientWidth - x + 3}px` : `left:${x + 3}px`)
    parts.push(label)
  }
  if (parts.length || chart.querySelector(":scope > .lb-crosshair")) layerOf(chart).replaceChildren(...parts)
}

function draw(point, from) {
  charts().forEach(chart => {
    if (point) drawOn(chart, point, from)
    else chart.querySelector(":scope > .lb-crosshair")?.replaceChildren()
  })
}

let frame = 0, last = null, shown = false

function follow() {
  frame = 0
  const chart = last.target instanceof Element ? last.target.closest(".js-plotly-plot") : null
  const found = chart?._fullLayout?._plots ? subplotAt(chart, last) : null
  if (!found && !shown) return
  shown = Boolean(found)
  const point = found && read(found)
  draw(point, found && { chart, axis: found.axis })
  const name = point?.kind === "category" ? point.value : null
  window.dispatchEvent(new CustomEvent(EVENT, { detail: { name, canvas: false } }))
}

function move(event) {
  last = event
  if (!frame) frame = requestAnimationFrame(follow)
}

function heed({ detail }) {
  if (detail.canvas) draw(detail.name === null ? null : { kind: "category", value: detail.name }, null)
}

export default function ({ parentElement }) {
  const held = (window.lookbackCrosshair ??= {})
  document.documentElement.style.setProperty("--lb-page", getComputedStyle(parentElement.host ?? parentElement).getPropertyValue("--st-background-color"))
  if (held.move === move) return
  window.removeEventListener("pointermove", held.move)
  window.removeEventListener(EVENT, held.heed)
  window.addEventListener("pointermove", move, { passive: true })
  window.addEventListener(EVENT, heed)
  Object.assign(held, { move, heed })
}
