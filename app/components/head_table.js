const states = new WeakMap()

function compare(a, b) {
  return typeof a === "string" ? a.localeCompare(b) : a - b
}

function order(state) {
  const rows = [...state.data.rows]
  if (state.by === null) return rows
  const side = state.down ? -1 : 1
  return rows.sort((a, b) => side * compare(a.cells[state.by].value, b.cells[state.by].value))
}

function drawHead(state) {
  const row = document.createElement("tr")
  state.data.columns.forEach((column, i) => {
    const th = document.createElement("th")
    th.scope = "col"
    const words = typeof state.data.rows[0]?.cells[i].value === "string"
    th.className = words ? "words" : ""
    const sorted = state.by === i ? (state.down ? "descending" : "ascending") : "none"
    th.setAttribute("aria-sort", sorted)
    const button = document.createElement("button")
    button.type = "button"
    button.textContent = column.name
    button.title = `${column.about} Click to sort.`
    button.onclick = () => {
      state.down = state.by === i ? !state.down : !words && i > 1
      state.by = i
      draw(state)
      state.root.querySelectorAll("th button")[i].focus()
    }
    th.append(button)
    row.append(th)
  })
  state.root.querySelector("thead").replaceChildren(row)
}

function drawRow(state, row) {
  const tr = document.createElement("tr")
  tr.tabIndex = 0
  tr.dataset.layer = row.layer
  tr.dataset.head = row.head
  tr.title = `Open the map of layer ${row.layer}, ${row.name}`
  const open = () => {
    mark(state, row.layer, row.head)
    state.send("opened", { layer: row.layer, head: row.head })
  }
  tr.onclick = open
  tr.onkeydown = event => {
    if (event.key === "Enter" || event.key === " ") open()
    else if (event.key === "ArrowDown") tr.nextElementSibling?.focus()
    else if (event.key === "ArrowUp") tr.previousElementSibling?.focus()
    else return
    event.preventDefault()
  }
  tr.append(...row.cells.map(cell => {
    const td = document.createElement("td")
    td.textContent = cell.text
    if (typeof cell.value === "string") td.className = "words"
    if (cell.share !== null) {
      td.className = "share"
      td.style.setProperty("--share", `${100 * cell.share}%`)
    }
    return td
  }))
  return tr
}

function draw(state) {
  drawHead(state)
  state.root.querySelector("tbody").replaceChildren(...order(state).map(row => drawRow(state, row)))
  follow(state)
}

function mark(state, layer, head) {
  state.root.querySelectorAll("tbody tr").forEach(tr => {
    const chosen = Number(tr.dataset.layer) === layer && Number(tr.dataset.head) === head
    tr.setAttribute("aria-selected", String(chosen))
  })
}

function follow(state) {
  const [layer, head] = (document.documentElement.dataset.lookbackMap ?? "0,0").split(",").map(Number)
  mark(state, layer, head)
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".heads")
  if (!root || !data) return
  let state = states.get(root)
  if (!state) {
    states.set(root, (state = { root, by: null, down: false }))
    state.follow = () => follow(state)
    window.addEventListener("lookback-map", state.follow)
  }
  state.data = data
  state.send = setTriggerValue
  draw(state)
  return () => {
    window.removeEventListener("lookback-map", state.follow)
    states.delete(root)
  }
}
