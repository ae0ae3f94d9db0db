const followers = new WeakMap()

// Byte -> RGBA as one 32-bit word; masked cells stay transparent.
function wordTable(stops) {
  return Uint32Array.from(colorTable(stops), ([r, g, b], code) => (code ? (255 << 24) | (b << 16) | (g << 8) | r : 0))
}

function paint(canvas, cells, size, table) {
  canvas.width = size
  canvas.height = size
  const context = canvas.getContext("2d")
  const image = context.createImageData(size, size)
  const words = new Uint32Array(image.data.buffer)
  for (let i = 0; i < cells.length; i++) words[i] = table[cells[i]]
  context.putImageData(image, 0, 0)
}

function makeButton(layer, head, header, onPick) {
  const button = document.createElement("button")
  button.type = "button"
  button.className = "map"
  button.dataset.layer = layer
  button.dataset.head = head
  button.setAttribute("aria-label", `${header.rows[layer - 1]}, ${header.columns[head - 1]}: open this map`)
  button.title = `${header.rows[layer - 1]} · ${header.columns[head - 1]}`
  button.appendChild(document.createElement("canvas"))
  button.onclick = () => onPick(layer, head)
  return button
}

// Arrow keys move through the grid; Tab enters and leaves it once.
function moveFocus(event, grid, header) {
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }
  const step = steps[event.key]
  const from = event.target.closest("button.map")
  if (!step || !from) return
  const layer = Math.min(Math.max(Number(from.dataset.layer) + step[0], 1), header.layers)
  const head = Math.min(Math.max(Number(from.dataset.head) + step[1], 1), header.heads)
  const next = grid.querySelector(`button[data-layer="${layer}"][data-head="${head}"]`)
  grid.querySelectorAll("button.map").forEach(button => (button.tabIndex = -1))
  next.tabIndex = 0
  next.focus()
  event.preventDefault()
}

function build(grid, header, onPick) {
  grid.replaceChildren()
  grid.style.setProperty("--heads", header.heads)
  for (let head = 1; head <= header.heads; head++) {
    const label = document.createElement("span")
    label.className = "column"
    label.textContent = header.columns[head - 1]
    grid.appendChild(label)
  }
  for (let layer = 1; layer <= header.layers; layer++) {
    const label = document.createElement("span")
    label.className = "row"
    label.textContent = header.rows[layer - 1]
    grid.appendChild(label)
    for (let head = 1; head <= header.heads; head++) {
      grid.appendChild(makeButton(layer, head, header, onPick))
    }
  }
}

function mark(grid, layer, head) {
  let focusable = false
  grid.querySelectorAll("button.map").forEach(button => {
    const chosen = Number(button.dataset.layer) === layer && (head === null || Number(button.dataset.head) === head)
    button.setAttribute("aria-pressed", String(chosen))
    button.tabIndex = chosen && !focusable ? 0 : -1
    focusable = focusable || chosen
  })
  if (!focusable) grid.querySelector("button.map").tabIndex = 0
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const grid = parentElement.querySelector(".grid")
  if (!grid || !data) return
  const { header, body: cells } = readPayload(data)
  const onPick = (layer, head) => {
    mark(grid, layer, head)
    setTriggerValue("picked", { layer, head })
  }
  const shape = `${header.rows.join("|")}x${header.columns.join("|")}`
  if (grid.dataset.shape !== shape) {
    build(grid, header, onPick)
    grid.dataset.shape = shape
  }
  grid.querySelectorAll("button.map").forEach(button => {
    button.onclick = () => onPick(Number(button.dataset.layer), Number(button.dataset.head))
  })
  grid.onkeydown = event => moveFocus(event, grid, header)
  const table = wordTable(isDark(parentElement.host ?? parentElement) ? header.dark : header.light)
  const area = header.size * header.size
  grid.querySelectorAll("canvas").forEach((canvas, i) => {
    paint(canvas, cells.subarray(i * area, (i + 1) * area), header.size, table)
  })
  const follow = () => {
    const chosen = (document.documentElement.dataset.lookbackMap ?? "").split(",").map(Number)
    if (chosen.length === 2) mark(grid, chosen[0], chosen[1] || null)
  }
  mark(grid, 0, null)
  follow()
  // The script runs again with every new window, the cleanup only once: at most one listener may be left.
  window.removeEventListener("lookback-map", followers.get(grid))
  window.addEventListener("lookback-map", follow)
  followers.set(grid, follow)
  grid.dataset.ready = header.token
  return () => window.removeEventListener("lookback-map", follow)
}
