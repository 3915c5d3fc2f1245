// Files: what is saved, what is sent, and what the server says of it.
import {h, plural} from "./dom.js";
import {call, upload} from "./api.js";
import {button} from "./dialog.js";
import {editor} from "./editor.js";
import {field} from "./field.js";

// download saves text as a file.
export function download(name, text, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], {type: type + ";charset=utf-8"}));
  const a = h("a", {href: url, download: name});
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// csv writes rows as RFC 4180 has it; a cell that a spreadsheet would run begins with an apostrophe.
export const csv = (rows) => rows.map((row) => row.map((cell) => `"${String(cell ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`).join(",") + "\r\n").join("");

// charsets are what a file may be written in that has no byte order mark and is not UTF-8.
const charsets = [["auto", "UTF-8, or as the file says"], ["windows-1252", "Windows-1252 (Western Europe)"], ["windows-1250", "Windows-1250 (Central Europe)"],
  ["windows-1251", "Windows-1251 (Cyrillic)"], ["windows-1253", "Windows-1253 (Greek)"], ["windows-1254", "Windows-1254 (Turkish)"], ["shift_jis", "Shift JIS"],
  ["gb18030", "GB 18030"], ["big5", "Big5"], ["euc-kr", "EUC-KR"]].map(([value, label]) => ({value, label}));

// bytesOf gives a file's bytes, each as a character: the server decides what they say.
async function bytesOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return parts.join("");
}

// ignored is the field of columns that are not known.
export const ignored = () => field({name: "ignore", label: "Columns to pass over", optional: true, hint: "Names of columns that are not known, with commas between."});

const previewMost = 2 << 20; // bytes of a file that is sent twice, to be looked at before
const sampleMost = 64 << 10; // bytes of a larger one that are

// sampleOf gives the beginning of a large file of lines; nothing of another one.
async function sampleOf(file) {
  if (file.size <= previewMost) return file;
  const bytes = new Uint8Array(await file.slice(0, sampleMost).arrayBuffer());
  const end = bytes.lastIndexOf(10); // UTF-16 has this byte too, and is cut before the next one
  if (end < 0 || /^\s*</.test(new TextDecoder().decode(bytes.subarray(0, 200)))) return null;
  return file.slice(0, bytes[1] === 0 || bytes[0] === 255 ? end + 2 : end + 1);
}

// table shows rows of text in a frame of its own.
export function table(caption, heads, rows) {
  return h("div", {class: "frame low", tabindex: "0", role: "region", "aria-label": caption}, h("table", {}, h("caption", {class: "hidden"}, caption),
    h("thead", {}, h("tr", {}, heads.map((x) => h("th", {scope: "col"}, x)))), h("tbody", {}, rows.map((r) => h("tr", {}, r.map((c) => h("td", {}, c)))))));
}

// fileDialog asks for a file and what goes with it, shows the first rows as the server reads them, sends it with a progress
// bar, and lists rows that were refused. params gives, of the values and the file's bytes as characters, the attributes that
// method takes; said gives what to show of its result.
export function fileDialog({title, label, fields, accept, intro, method, params, said, opener}) {
  const file = field({name: "data", label: "File", type: "file", accept, required: "Choose a file"});
  const charset = field({name: "charset", label: "Characters of the file", type: "select", value: "auto", options: charsets});
  const bar = h("progress", {max: "1", value: 0, "aria-label": "Progress"});
  const words = h("p", {class: "faint", role: "status"});
  const progress = h("div", {class: "progress", hidden: true}, bar, words);
  const first = h("div", {class: "refused first", hidden: true, role: "status"});
  const refused = h("div", {class: "refused", hidden: true});
  let turn = 0;

  // preview shows how the server reads the file.
  async function preview() {
    const mine = ++turn;
    const chosen = file.control.files[0];
    const sample = chosen && await sampleOf(chosen).catch(() => null);
    if (mine !== turn) return;
    first.hidden = !sample;
    if (first.hidden) return;
    const show = (busy, ...body) => {
      if (mine !== turn) return;
      first.replaceChildren(h("h3", {}, "First rows, as they are read"), ...body);
      first.setAttribute("aria-busy", String(busy));
      first.hidden = false;
    };
    if (!first.children.length) show(true, h("p", {class: "faint"}, "The server is reading the file…")); // it keeps the place of what comes
    first.setAttribute("aria-busy", "true");
    try {
      const values = {};
      for (const f of [charset, ...fields]) values[f.name] = await f.value();
      const made = await call(method, {attrs: {...params(values, await bytesOf(sample)), dryRun: true}});
      show(false, table("First rows of the file", made.preview.columns, made.preview.rows),
        h("p", {class: "faint"}, `${sample === chosen ? plural(made.total, "row") + " in all" : "The file is large: only its beginning was read, the rest is checked when it is imported"}. Is a letter not what it should be, choose the characters of the file.`));
    } catch (e) {
      show(false, h("p", {class: "advice warn"}, e.sentence ?? String(e)));
    }
  }
  for (const f of [file, charset, ...fields]) f.control.addEventListener("change", preview);

  const d = editor({title, label, opener, wide: true, intro, fields: [file, charset, {el: first}, ...fields, {el: progress}, {el: refused}],
    save: async (v) => {
      refused.hidden = true;
      progress.hidden = false;
      bar.value = 0;
      words.textContent = "Reading the file…";
      try {
        const made = await upload(method, {attrs: params(v, await bytesOf(v.data))}, (part) => {
          if (part < 1) bar.value = part;
          else bar.removeAttribute("value");
          words.textContent = part < 1 ? `Sending: ${Math.round(part * 100)} %` : "The server is working on it…";
        });
        d.hold(false);
        d.replace(title, said(made), [h("span", {class: "grow"}), button("Done", () => d.close(), "primary", {autofocus: true})]);
        return true;
      } catch (e) {
        if (e.result?.rows?.length) {
          const rows = e.result.rows;
          refused.replaceChildren(h("h3", {}, plural(rows.length + (e.result.more ?? 0), "refused row")),
            table("Refused rows", ["Line", "Serial", "Reason"], rows.map((r) => [r.line, h("code", {}, r.serial ?? ""), r.reason])),
            button("Download the refused rows", () => download("refused.csv", csv([["line", "serial", "reason"], ...rows.map((r) => [r.line, r.serial, r.reason])]))));
          refused.hidden = false;
        }
        throw e;
      } finally {
        progress.hidden = true;
      }
    }});
}
