// Dates, as the browser writes them or in the language that one has chosen for this browser.
const kept = "tokensmith dates";

// languages are what can be chosen; "" is the browser's own.
export const languages = ["", "en-GB", "en-US", "sv", "de", "fr", "es", "it", "nl", "pl", "pt", "tr", "ja", "ko", "zh"];

export const dateLanguage = () => localStorage.getItem(kept) ?? "";

export function chooseDateLanguage(tag) {
  if (tag) localStorage.setItem(kept, tag);
  else localStorage.removeItem(kept);
}

// dates makes a formatter, whose language is the one that is chosen when it is used.
export function dates(options) {
  let of = null, made;
  return {format(at) {
    if (of !== dateLanguage()) {
      of = dateLanguage();
      made = new Intl.DateTimeFormat(of || undefined, options);
    }
    return made.format(at);
  }};
}
