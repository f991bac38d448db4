// make builds an element: attributes, "on..." listeners, children. Text is never parsed as HTML.
export function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-") && value != null) e.setAttribute(name, value);
    else if (value === true) e.setAttribute(name, "");
    else if (value !== false && value != null) e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

export const byId = id => document.getElementById(id);
