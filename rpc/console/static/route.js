// The address: which page is shown, of which object, and how its list is narrowed. All of it stands behind "#", which a browser
// tells no server.

const decoded = (part) => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody typed it
  }
};

// here reads the address: the parts of its path, and what narrows a list.
export function here() {
  const [, path, query] = /^#?\/?([^?]*)\??(.*)$/s.exec(location.hash);
  return {parts: path.split("/").filter(Boolean).map(decoded), params: new URLSearchParams(query)};
}

// to is the address of a page, or of an object on it.
export const to = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");

// go opens a page.
export const go = (address) => { location.hash = address; };

let shown = null; // the address of what is on the screen

export const shownAddress = () => shown;
export const showing = (address = location.hash) => { shown = address; };

// narrow writes how the list on the screen is narrowed into the address: as a step that Back undoes, or in place of the last one.
export function narrow(params, step) {
  const query = params.toString();
  history[step ? "pushState" : "replaceState"](null, "", location.hash.split("?")[0] + (query ? "?" + query : ""));
  showing();
}

// redraw shows the page anew as the address has it.
let draw = () => {};
export const drawnBy = (f) => { draw = f; };
export const redraw = () => draw();
