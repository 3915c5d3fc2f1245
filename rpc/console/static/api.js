// Calling the server's methods.

// Refused is an error that the server answered; attribute names the field it is about.
export class Refused extends Error {
  constructor(reply) {
    super(reply.message);
    this.code = reply.error;
    this.result = reply.result ?? {};
    this.attribute = this.result.attribute ?? "";
  }
  get sentence() {
    // What a field says of itself needs not name it again.
    const text = this.attribute && this.message.startsWith(this.attribute + ": ") ? this.message.slice(this.attribute.length + 2) : this.message;
    return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
  }
}

function result(text) {
  let reply;
  try {
    reply = JSON.parse(text);
  } catch {
    throw new Refused({error: -1, message: "the server's answer cannot be read"});
  }
  if (reply.error === 4) dispatchEvent(new Event("signedout"));
  if (reply.error) throw new Refused(reply);
  return reply.result;
}

// post sends a request to the console's own part of the server.
export async function post(path, params = {}) {
  let response;
  try {
    response = await fetch(path, {method: "POST", body: JSON.stringify(params), headers: {"Content-Type": "application/json"}});
  } catch {
    throw new Refused({error: -1, message: "the server cannot be reached"});
  }
  return result(await response.text());
}

// call calls a method.
export const call = (method, params) => post("api/" + method, params);

// upload calls a method with a large body; progress is told the part sent, from 0 to 1.
export function upload(method, params, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "api/" + method);
    request.setRequestHeader("Content-Type", "application/json");
    request.upload.addEventListener("progress", (e) => e.lengthComputable && progress(e.loaded / e.total));
    request.addEventListener("error", () => reject(new Refused({error: -1, message: "the server cannot be reached"})));
    request.addEventListener("load", () => {
      try {
        resolve(result(request.responseText));
      } catch (e) {
        reject(e);
      }
    });
    request.send(JSON.stringify(params));
  });
}

let methods = new Set();

// permit says what the person who is signed in may do.
export const permit = (list) => { methods = new Set(list); };
export const may = (...all) => all.every((m) => methods.has(m));
