// Signing in: the page, the layer over somebody's work whose session has ended, and the change of one's own password.
import {h, mark} from "./dom.js";
import {post, Refused} from "./api.js";
import {ask, button, dialog, held, letGo} from "./dialog.js";
import {editor} from "./editor.js";
import {field, newPassword} from "./field.js";

// words is what a refused sign-in says.
const words = (e) => (e.code === 201 ? "This login name, password and one-time password do not fit." : e.code === 207 && e.attribute !== "newPassword"
  ? "Your PIN must be changed: enter the old PIN, the one-time password and the new PIN twice, all in one." : e.sentence);

// form is what one signs in with. done is called once one has; login is the name of who must sign in again.
function form({login, why = "", done}) {
  const name = login ? null : field({name: "loginName", label: "Login name", required: true, autofocus: true, autocomplete: "username", hint: "Or DOMAIN\\name, or a principal name."});
  const password = field({name: "password", label: "Password", type: "password", required: true, autofocus: !!login, autocomplete: "current-password"});
  const otp = field({name: "otp", label: "One-time password", optional: true, hint: "If your account has a token, its PIN in front if it has one.", inputmode: "numeric", autocomplete: "one-time-code"});
  const fresh = newPassword({name: "newPassword", label: "New password"});
  for (const f of fresh) f.show(false);
  const alert = h("p", {class: why ? "alert calm" : "alert", role: "alert", hidden: !why}, why);
  const go = h("button", {type: "submit", class: "primary"}, "Sign in");
  const all = [name, password, otp, ...fresh].filter(Boolean);
  const el = h("form", {novalidate: true, on: {submit: async (e) => {
    e.preventDefault();
    alert.hidden = true;
    for (const f of all) f.unmark();
    go.disabled = true;
    try {
      const v = {};
      for (const f of all) if (!f.el.hidden) v[f.name] = await f.value();
      if (v.newPassword === "") throw new Refused({error: 10, message: "Please fill this in", result: {attribute: "newPassword"}});
      await post("signIn", {loginName: login ?? v.loginName, password: v.password, otp: v.otp, newPassword: v.newPassword ?? ""});
      await done();
    } catch (err) {
      if (!(err instanceof Refused)) throw err;
      if (err.code === 207 && err.attribute === "newPassword") {
        for (const f of fresh) f.show(true);
        fresh[0].control.focus();
        alert.textContent = "Your password must be changed. Enter a new one, and your token's next one-time password if you have one.";
      } else {
        const at = all.find((f) => f.name === err.attribute && !f.el.hidden);
        if (at) {
          at.mark(err.sentence);
          return;
        }
        alert.textContent = words(err);
        password.control.select();
      }
      alert.className = "alert";
      alert.hidden = false;
      otp.control.value = "";
    } finally {
      go.disabled = false;
    }
  }}}, all.map((f) => f.el), go);
  return {el, alert, first: (name ?? password).control};
}

// signInPage is the page where one signs in; why says why, if it was not one's wish.
export function signInPage(why, done) {
  const f = form({why, done});
  return {first: f.first, el: h("main", {class: "alone"}, h("div", {class: "brand"}, mark(), "tokensmith"), h("h1", {}, "Sign in"), f.alert, f.el, documents())};
}

// signInAgain asks somebody whose session has ended to sign in, over whatever he is doing. It ends when he has.
export function signInAgain(login) {
  return new Promise((resolve) => {
    const f = form({login, done: () => {
      d.close();
      resolve();
    }});
    const somebodyElse = button("Sign in as somebody else", async () => {
      if (held() && !(await ask({title: "Discard what you entered?", text: "Somebody else does not see it.", stay: "Go back", leave: "Discard"}))) return;
      letGo();
      location.reload();
    }, "link");
    const d = dialog({title: "Sign in again", layer: true, body: [h("p", {}, "Your session has ended. What you were doing goes on where it was."), h("p", {}, "Login name: ", h("strong", {}, login)), f.alert, f.el], buttons: [somebodyElse]});
  });
}

// changePassword lets one change one's own password, whatever else one may do.
export function changePassword(login, opener) {
  editor({title: "Change your password", label: "Change password", opener, done: "Your password is changed.", intro: "Your other sessions end.", fields: [
    field({name: "password", label: "Your password now", type: "password", required: true, autofocus: true, autocomplete: "current-password"}),
    field({name: "otp", label: "One-time password", optional: true, hint: "If your account has a token, its PIN in front if it has one.", inputmode: "numeric", autocomplete: "one-time-code"}),
    ...newPassword({name: "newPassword"}),
  ], save: async (v) => {
    if (!v.newPassword) throw new Refused({error: 10, message: "Please fill this in", result: {attribute: "newPassword"}});
    try {
      await post("signIn", {loginName: login, ...v});
    } catch (e) {
      throw e.attribute ? e : new Refused({error: e.code, message: e.code === 201 ? "This password and one-time password do not fit" : words(e)});
    }
  }});
}

// documents leads programmers on.
export function documents() {
  return h("p", {class: "documents"}, h("a", {href: "/methods"}, "Methods"), h("a", {href: "/openapi.json"}, "OpenAPI"));
}
