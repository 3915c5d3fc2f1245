// Calling the server's methods.
import {said} from "./words.js";

// Refused is an error that the server answered; attribute names the field it is about.
export class Refused extends Error {
  constructor(reply) {
    super(reply.message);
    this.code = reply.error;
    this.result = reply.result ?? {};
    this.attribute = this.result.attribute ?? "";
  }
  get sentence() { return said(this.message, this.attribute, this.code); }
}

// at is a refusal of the page's own, at a field.
export const at = (attribute, message) => new Refused({error: 11, message, result: {attribute}});

const unreachable = (changes) => new Refused({error: -1, message: "the server cannot be reached" +
  (changes ? ", so nobody knows whether this was done. Try again: what was done already is not done twice" : "")});

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {error: -1, message: "the server's answer cannot be read"};
  }
}

// A call of somebody who is signed out waits until he has signed in again, and then goes on: it was refused before anything
// was done. signInAgain is asked once, however many calls wait.
let signInAgain = null, waiting = null, sessions = 0;
export const whenSignedOut = (ask) => { signInAgain = ask; };

async function answered(send) {
  for (;;) {
    const session = sessions;
    const reply = await send();
    if (reply.error !== 4 || !signInAgain) {
      if (reply.error) throw new Refused(reply);
      return reply.result;
    }
    if (session !== sessions) continue; // somebody has signed in meanwhile
    waiting ??= signInAgain().then(() => { sessions++; }).finally(() => { waiting = null; });
    await waiting;
  }
}

// post sends a request to the console's own part of the server.
export async function post(path, params = {}) {
  const reply = await sent(path, JSON.stringify(params));
  if (reply.error) throw new Refused(reply);
  return reply.result;
}

// own reads what is one's own from the console's part of the server; one whose session has ended signs in again.
export const own = (path) => answered(() => sent(path, "{}"));

async function sent(path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {method: "POST", body, headers: {"Content-Type": "application/json", ...headers}});
  } catch {
    throw unreachable("Idempotency-Key" in headers);
  }
  return read(await response.text().catch(() => { throw unreachable("Idempotency-Key" in headers); }));
}

// A change goes with a key of its own. When its answer is lost, the same change is sent with the same key the next time, so that
// it is not done twice and what it answered, perhaps a secret, comes nevertheless.
const reading = /\/(get|search|list[A-Za-z]*|verify|check|estimateGuessing|generateCode)$/;
const lost = new Map();

async function once(method, body, send) {
  if (reading.test(method)) return answered(() => send({}));
  const what = method + " " + body;
  const key = lost.get(what) ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  lost.delete(what);
  try {
    return await answered(() => send({"Idempotency-Key": key}));
  } catch (e) {
    if (e.code === -1) lost.set(what, key);
    throw e;
  }
}

// call calls a method.
export function call(method, params = {}) {
  const body = JSON.stringify(params);
  return once(method, body, (headers) => sent("api/" + method, body, headers));
}

// upload calls a method with a large body; progress is told the part sent, from 0 to 1.
export function upload(method, params, progress) {
  const body = JSON.stringify(params);
  return once(method, body, (headers) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "api/" + method);
    for (const [name, value] of Object.entries({"Content-Type": "application/json", ...headers})) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (e) => e.lengthComputable && progress(e.loaded / e.total));
    request.addEventListener("error", () => reject(unreachable(true)));
    request.addEventListener("load", () => resolve(read(request.responseText)));
    request.send(body);
  }));
}

// everything gives all rows of a search, for lists that people keep short.
export async function everything(method, params) {
  const rows = [];
  for (let cursor = ""; cursor !== undefined;) {
    const found = await call(method, {...params, cursor, count: false});
    rows.push(...found.rows);
    cursor = found.next;
  }
  return rows;
}

let methods = new Set(), revealing = new Set(), roles = [];

// permit says what the person who is signed in may do, and which of it shows secrets.
export const permit = (list, secrets, named) => { methods = new Set(list); revealing = new Set(secrets); roles = named; };
export const allRoles = () => roles;
export const allMethods = () => [...methods];
export const reveals = (method) => revealing.has(method);
export const may = (...all) => all.every((m) => methods.has(m));
