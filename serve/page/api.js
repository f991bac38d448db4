// Requests to the server that the page came from, with the token if there is one.

// The token comes after "#token=" or from the login; the tab alone keeps it.
export function takeToken() {
  const words = new URLSearchParams(location.hash.slice(1));
  if (!words.has("token")) return;
  sessionStorage.setItem("biggan-token", words.get("token"));
  words.delete("token");
  history.replaceState(null, "", "#" + words);
}

// Trouble is an answer that is an error: what, what to do, and of which field.
export class Trouble extends Error {
  constructor(status, { message, hint = "", field = "" }) {
    super(message);
    Object.assign(this, { status, hint, field });
  }
}

async function ask(path, options) {
  const token = sessionStorage.getItem("biggan-token");
  const headers = { ...options.headers };
  if (token) headers.Authorization = "Bearer " + token;
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response;
  let error = { message: `the server answers ${response.status}` };
  try { error = (await response.json()).error; } catch { /* no document of ours: a proxy's */ }
  if (response.status === 401 && await login()) return ask(path, options);
  if (response.status === 503 && response.headers.has("Retry-After")) error.retry = Number(response.headers.get("Retry-After"));
  throw Object.assign(new Trouble(response.status, error), { retry: error.retry });
}

let pending = null;

// login asks for a token, once for all requests that wait for it.
function login() {
  pending ??= new Promise(resolve => {
    const dialog = document.getElementById("login");
    const field = document.getElementById("token");
    field.value = "";
    dialog.addEventListener("close", () => {
      pending = null;
      if (field.value) sessionStorage.setItem("biggan-token", field.value);
      resolve(field.value !== "");
    }, { once: true });
    dialog.showModal();
  });
  return pending;
}

export const get = async (path, signal) => (await ask(path, { signal })).json();

const post = (path, body, accept, signal) => ask(path, {
  method: "POST", body: JSON.stringify(body), signal, headers: { "Content-Type": "application/json", Accept: accept },
});

// pictures draws: the document, in which each picture has a blob.
export async function pictures({ path, body }, signal) {
  const doc = await (await post(path, body, "application/json", signal)).json();
  for (const p of doc.pictures) p.blob = new Blob([bytes(p.png)], { type: "image/png" });
  return doc;
}

export const file = async ({ path, body }, kind) => (await post(path, body, "image/" + kind)).blob();

const bytes = text => Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), c => c.charCodeAt(0));
