// One listener for the whole page, whatever the number of runs.
const OWN_KEYS = [
  "input", "textarea", "select", "canvas", "table", "[contenteditable]", "[role=slider]", "[role=grid]", "[role=listbox]",
  "[role=combobox]", "[role=menu]", "[role=tablist]", "[role=radiogroup]", "[role=spinbutton]", "[role=dialog]",
  "[data-testid=stButtonGroup]", "[data-testid=stDataFrame]", "[data-testid=stPopoverBody]",
].join(",")
// Keys held down come faster than pages can follow: they are added up and sent once.
const WAIT = 140
let latest = null
let steps = 0
let timer = 0

function hasOwnKeys(event) {
  return event.composedPath().some(part => part instanceof Element && part.matches(OWN_KEYS))
}

function writes(event) {
  return event.composedPath().some(part => part instanceof Element && part.matches("input,textarea,[contenteditable]"))
}

function send() {
  timer = 0
  const bars = steps
  steps = 0
  if (bars && latest) latest.send("steps", bars)
}

function press(event) {
  if (!latest || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === "?" && !writes(event)) {
    document.querySelector(".st-key-strip_settings button")?.click()
    return
  }
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
  if (!way || !latest.active || hasOwnKeys(event)) return
  event.preventDefault()
  steps += way * (event.shiftKey ? 20 : 1)
  clearTimeout(timer)
  timer = setTimeout(send, WAIT)
}

export default function ({ data, setTriggerValue, parentElement }) {
  const mine = { active: data.active, send: setTriggerValue }
  latest = mine
  const held = (window.lookbackKeys ??= {})
  if (held.press !== press) {
    window.removeEventListener("keydown", held.press)
    window.addEventListener("keydown", press)
    held.press = press
  }
  parentElement.querySelector("span").dataset.ready = String(data.active)
  return () => {
    if (latest === mine) latest = null
  }
}
