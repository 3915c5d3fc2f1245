// Light or dark: as the system has it, or as one has chosen for this browser.
const kept = "tokensmith theme";

export const theme = () => localStorage.getItem(kept) ?? "";

const wear = () => {
  if (theme()) document.documentElement.dataset.theme = theme();
  else delete document.documentElement.dataset.theme;
};

export function chooseTheme(name) {
  if (name) localStorage.setItem(kept, name);
  else localStorage.removeItem(kept);
  wear();
}

wear();
