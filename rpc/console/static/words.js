// What people read in place of the API's words, numbers and ids.

// labels are the values of attributes.
const labels = {
  ACTIVE: "Active", INACTIVE: "Inactive", LOCKED: "Locked", DISABLED: "Disabled", DECEASED: "Deceased", ISSUED: "Not used yet", REVOKED: "Revoked",
  active: "Active", grace: "Used up, still usable", exhausted: "Used up", expired: "Expired", disabled: "Disabled",
  HARDWARE: "Hardware", SOFT: "Soft", AUTO: "At once", CODE: "By an activation code", SMTP: "E-mail", SMS: "SMS",
  CREATE_ACCOUNT_AND_DEVICE: "Create a new account and a device", CREATE_DEVICE: "Create a new device", USE_EXISTING_DEVICE: "Use existing device",
};

export const label = (value) => labels[value] ?? value;

// options are values to choose from.
export const options = (...values) => values.map((value) => ({value, label: label(value)}));

// apart writes a name of the API as words: "loginName" is "login name".
const apart = (name) => name.replace(/[a-z0-9](?=[A-Z])/g, "$& ").toLowerCase();

// names are attributes that people know by another name than the API's word taken apart.
const names = {upn: "principal name", userPrincipalName: "principal name", deviceGroup: "group", "deviceGroup.id": "group", autoWindow: "auto window", csv: "file", data: "file", licenses: "licenses"};
const called = (attribute) => names[attribute] ?? apart(attribute.replaceAll(".", " "));

// said makes a sentence for people of what the server said. What a field says of itself needs not name it again.
export function said(message, attribute = "", code = 0) {
  let text = message;
  if (attribute && text.startsWith(attribute + ": ")) text = text.slice(attribute.length + 2);
  text = text.replace(/with attrs\.ignore or --ignore/, "by “Columns to pass over”:").replace(/\b(attrs|expect)\./g, "").replace(/\b[A-Z]+(_[A-Z]+)+\b/g, (w) => (labels[w] ? `“${labels[w]}”` : w));
  if (![401, 403, 404].includes(code)) text = text.replace(/(?<![/\w\\@.])[a-z]+([A-Z][a-z]+)+(?![\w/@\\])/g, called); // in files people see the names as they are
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

// outcomes say how a call ended, by the number in the record.
const outcomes = {
  0: "Done", 1: "Failed in the server", 2: "Not readable", 3: "No such method", 4: "Not signed in", 5: "Not permitted", 6: "Too large", 7: "Too many tries", 8: "Try again later",
  10: "Something was missing", 11: "Not valid", 12: "Not known", 13: "Exists already", 14: "Still in use", 15: "Fits several", 16: "Changed meanwhile", 17: "Key used before", 18: "The record was changed",
  101: "No such user", 102: "No such token", 103: "No such assignment", 104: "No such product", 105: "No such repository", 106: "No such group", 107: "No such device", 108: "No such license",
  109: "No such agent", 110: "No such installation code", 111: "No such template", 112: "No such delivery", 113: "No such row", 114: "No such group", 115: "No such unit", 116: "No such identity source", 117: "No such application", 118: "No such logon step", 119: "No such emergency code", 120: "No such realm", 121: "No such logon procedure", 122: "No such attribute", 123: "No such RADIUS client",
  201: "Wrong credential", 202: "Locked", 203: "Disabled", 204: "Outside its time", 205: "Out of sync", 206: "Used before", 207: "Must be changed", 208: "Limit reached", 242: "No such domain",
  301: "Token not usable", 302: "Token confined", 303: "Not downloadable", 304: "Link or code not valid", 401: "File not readable", 402: "Wrong file password", 403: "Rows refused", 404: "Rows refused",
  501: "Unknown installation code", 502: "Code expired", 503: "Code used up", 504: "Code disabled", 505: "Target is gone", 506: "No seat left", 507: "Installed already", 508: "License expired",
  511: "Unknown client token", 512: "Client token ended", 513: "Device inactive",
};

export const outcome = (number) => outcomes[number] ?? "Refused, for reason " + number;
export const refusals = [4, 5, 201, 202, 205, 206, 501].map((n) => ({value: String(n), label: outcomes[n]}));

const nouns = {radiusClient: "RADIUS client", tempPass: "emergency code", tokenAssignment: "token of a user", installationCode: "installation code", deviceGroup: "group of devices", token: "token", user: "user", audit: "record", auth: "login", batch: "batch"};
const verbs = {
  create: "Made a", set: "Changed a", delete: "Deleted a", get: "Read a", search: "Looked at", import: "Imported", unlock: "Unlocked a",
  confine: "Confined a", release: "Released a", reset: "Reset a", activate: "Activated a", send: "Sent a",
};
const acts = {
  "console/signIn": "Signed in", "console/signOut": "Signed out", "token/import": "Imported tokens", "token/export": "Exported tokens", "token/batchAssignTokens": "Assigned tokens by a file",
  "token/syncToken": "Synchronised a token", "auth/syncToken": "Synchronised a token", "token/getDownloadUrl": "Made a download link", "tokenAssignment/sendDownloadUrl": "Sent a download link",
  "token/retrieveCredential": "Showed a token's seed", "tokenAssignment/getTokenQRCode": "Showed a token's QR code", "tokenAssignment/create": "Assigned a token", "tokenAssignment/delete": "Took a token from a user",
  "tokenAssignment/set": "Changed a token of a user", "tokenAssignment/activate": "Activated a token of a user", "tokenAssignment/sendActivationCode": "Sent an activation code", "tokenAssignment/sort": "Sorted a user's tokens",
  "user/import": "Imported users", "user/resetPassword": "Reset a password", "device/createMany": "Made many devices", "device/revealToken": "Showed a client token", "device/generateToken": "Made a new client token",
  "device/revokeToken": "Revoked a client token", "device/connect": "A device connected", "installationCode/get": "Showed an installation code", "installationCode/search": "Showed an installation code",
  "installationCode/getQRCode": "Showed an installation code", "installationCode/redeem": "Used an installation code", "installationCode/check": "Looked up an installation code", "agent/rotateSecret": "Rotated an agent's secret",
  "auth/verify": "Logged in", "auth/logon": "Logged in", "auth/sendOTP": "Had a passcode sent", "auth/guessing": "Refused credentials stood out", "batch/execute": "Ran many calls", "audit/prune": "Removed old rows of the record",
};

// act says what a method did.
export function act(method) {
  if (acts[method]) return acts[method];
  const [noun, verb] = method.split("/");
  const what = nouns[noun] ?? apart(noun);
  const text = (verbs[verb] ?? apart(verb)) + " " + what;
  return (text[0].toUpperCase() + text.slice(1)).replace(/ a ([aeio])/, " an $1");
}

// changes reads what the record says was changed: "status=DISABLED, description".
const changes = (text) => (text ?? "").split(", ").filter(Boolean).map((c) => c.split("="));

// nounOf is what the methods of an object are about.
export function nounOf(object) {
  const text = nouns[object] ?? apart(object);
  return text[0].toUpperCase() + text.slice(1);
}

// changesOf says what was changed, as people call it.
export const changesOf = (text) => changes(text).map(([name, value]) => called(name) + (value === undefined ? "" : " to " + low(label(value)))).join(", ");

const did = {
  create: "made", set: "changed", delete: "deleted", get: "read", search: "looked at", import: "imported", unlock: "unlocked", confine: "confined", release: "released", reset: "reset",
  syncToken: "synchronised", activate: "activated", getDownloadUrl: "made a download link of", sendDownloadUrl: "sent a download link of", retrieveCredential: "showed the seed of",
  getTokenQRCode: "showed the QR code of", resetPassword: "reset the password of", revealToken: "showed the client token of", generateToken: "made a new client token of",
  revokeToken: "revoked the client token of", connect: "connected as", getQRCode: "showed", redeem: "used", check: "looked up", rotateSecret: "rotated the secret of", sendActivationCode: "sent an activation code of",
  addUsers: "put users into", removeUsers: "took users out of", send: "sent", addApplication: "gave an application to", removeApplication: "took an application from", sort: "sorted the tokens of",
  deployTokens: "deployed tokens in",
};
const states = {DISABLED: "disabled", ACTIVE: "enabled", DECEASED: "retired", LOCKED: "locked", INACTIVE: "deactivated"};

// sentence says what a row of the record did to an object called noun, without who did it.
export function sentence(a, noun) {
  const [object, verb] = a.method.split("/");
  if (a.method === "console/signIn") return a.outcome ? "was refused at the console: " + low(outcome(a.outcome)) : "signed in to the console";
  if (object === "auth" && verb !== "syncToken") return (a.outcome ? `refused a login of this ${noun}: ` + low(outcome(a.outcome)) : low(act(a.method)));
  const same = a.object?.startsWith(noun + " ");
  const of = a.method === "tokenAssignment/create" ? (noun === "user" ? "a token to this user" : `this ${noun}`) : a.method === "tokenAssignment/delete" || a.method === "token/delete" && noun !== "token" ? (noun === "user" ? "a token from this user" : `this ${noun}`) : same || object === noun ? `this ${noun}` : "a " + (nouns[object] ?? apart(object));
  let verbs = did[verb] ?? apart(verb);
  if (a.method === "tokenAssignment/create") verbs = "assigned";
  if (a.method === "tokenAssignment/delete" || a.method === "token/delete" && noun !== "token") verbs = noun === "user" ? "took" : "unassigned";
  let more = "";
  if (verb === "set" && a.changed) {
    const all = changes(a.changed);
    const state = all.find(([name, value]) => name === "status" && value);
    const others = all.filter((c) => c !== state).map((c) => changesOf(c.join("=")));
    if (state) verbs = states[state[1]] ?? "changed";
    if (others.length) more = (state ? ", and changed " : ": ") + others.join(", ");
  }
  return `${a.outcome ? "could not: " : ""}${verbs} ${of}${more}${a.outcome ? " (" + low(outcome(a.outcome)) + ")" : ""}`;
}

const low = (s) => s[0].toLowerCase() + s.slice(1);
