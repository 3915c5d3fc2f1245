"use strict";
const at = (id) => document.getElementById(id);
const purposes = {
  CREATE_ACCOUNT_AND_DEVICE: "This code makes an account for you and installs your device.",
  CREATE_DEVICE: "This code installs a device of its account.",
  USE_EXISTING_DEVICE: "This code installs the device it was made for.",
};

function show(state, found) {
  at("state").textContent = state;
  at("found").hidden = !found;
}

// The code stands in the fragment and goes to the server in a body alone.
async function look() {
  const code = new URLSearchParams(location.hash.slice(1)).get("c");
  if (!code) {
    show("There is no installation code in this address. Scan the QR code again, or enter the code in the client app.", false);
    return;
  }
  at("code").textContent = code;
  let reply;
  try {
    const response = await fetch("installationCode/check", {method: "POST", body: JSON.stringify({code}), cache: "no-store"});
    reply = await response.json();
  } catch {
    at("ends").textContent = "";
    show("The server cannot be reached to look the code up. You can try it all the same.", true);
    return;
  }
  if (reply.error === 7) {
    at("ends").textContent = "";
    show("Too many codes were looked up from here. You can try this one all the same, in a while.", true);
    return;
  }
  if (reply.error) {
    show(reply.message[0].toUpperCase() + reply.message.slice(1) + ".", false);
    return;
  }
  const ends = reply.result.expires;
  at("ends").textContent = ends
    ? "It can be used until " + new Date(ends).toLocaleString(undefined, {dateStyle: "long", timeStyle: "short"}) + "."
    : "It has no end date.";
  show(purposes[reply.result.action], true);
}

at("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(at("code").textContent);
    at("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(at("code"));
    at("copy").textContent = "Selected: copy it now";
  }
});
addEventListener("hashchange", look);
look();
