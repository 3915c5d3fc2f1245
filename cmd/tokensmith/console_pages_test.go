package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tokensmith/model/otp"
)

// These tests are about the pages of the console: groups, applications, one object, what the address says, and many rows at once.

// address opens an address of the console, as a link that somebody sent would.
func (p *person) address(fragment string) {
	p.t.Helper()
	p.do(chromedp.Evaluate(fmt.Sprintf(`location.hash = %q`, fragment), nil))
	p.settled()
}

// drop drags the row of a list that has a text onto an entry of the tree beside it.
func (p *person) drop(row, entry string) {
	p.t.Helper()
	p.find("button", entry, 1)
	p.settled()
	p.do(chromedp.Evaluate(fmt.Sprintf(`(() => {
		const data = new DataTransfer();
		const fire = (e, type) => e.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: data}));
		fire([...document.querySelectorAll("tbody tr")].find((tr) => tr.textContent.includes(%q)), "dragstart");
		const to = [...document.querySelectorAll(".tree button")].find((b) => b.textContent === %q);
		fire(to, "dragover");
		fire(to, "drop");
	})()`, row, entry), nil))
}

// TestConsoleGroupsAndUnits: the trees beside the users are made, moved, filled and chosen from.
func TestConsoleGroupsAndUnits(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "domain/create", attrsOf("name", "north"))
	for _, login := range []string{"ada", "grace", "john"} {
		c.result(t, service.url, "user/create", attrsOf("domain.name", "north", "loginName", login))
	}
	p.opens("Users")
	p.sees("No groups yet")
	p.click("button", "New unit")
	p.fill("Name", "Operations")
	p.click("button", "Save")
	p.sees("Choose a domain")
	p.fill("Domain", "north")
	p.looks("unit-new")
	p.click("button", "Save")
	p.sees("The unit is saved")
	p.click("button", "Actions for unit Operations")
	p.click("menuitem", "New unit in it")
	p.fill("Name", "Field")
	p.click("button", "Save")
	p.find("button", "Field", 1) // what is in it is open now
	p.drop("ada", "Field")
	p.sees("The user is in the unit Field")
	p.drop("grace", "Operations")
	p.sees("The user is in the unit Operations")
	p.click("button", "Operations") // with what is below it
	p.sees("1–2 of 2")
	p.sees("Unit: Operations")
	p.click("button", "Field")
	p.sees("1–1 of 1")
	p.do(chromedp.Reload()) // it stands in the address
	p.sees("Unit: Field")
	p.sees("1–1 of 1")
	p.click("button", "All users")
	p.sees("1–4 of 4")

	p.click("button", "New group")
	p.fill("Name", "Staff")
	p.fill("Domain", "north")
	p.click("button", "Save")
	p.sees("The group is saved")
	p.drop("john", "Staff")
	p.sees("The user is in the group Staff too")
	p.click("checkbox", "Select ada")
	p.click("checkbox", "Select grace")
	p.sees("2 selected")
	p.click("button", "Add to a group")
	p.pick("Group", "Sta", "Staff")
	p.click("button", "Add to a group")
	p.sees("2 done")
	p.click("button", "Done")
	p.click("button", "Staff")
	p.sees("1–3 of 3")
	p.looks("users-group")
	got := c.result(t, service.url, "user/search", map[string]any{"match": []any{[]string{"group.name", "=", "Staff"}}, "max": 0})["total"]
	if got != 3.0 {
		t.Errorf("%v users are in the group", got)
	}
	// A group within a group, and out again.
	p.click("button", "Actions for group Staff")
	p.click("menuitem", "New group in it")
	p.fill("Name", "On call")
	p.click("button", "Save")
	p.find("button", "On call", 1)
	p.click("button", "Actions for group On call")
	p.click("menuitem", "Edit")
	p.looks("group-edit")
	p.click("button", "Remove Staff")
	p.click("button", "Save")
	p.gone("dialog", "Edit group")
	if got := c.result(t, service.url, "group/get", map[string]any{"match": []any{[]string{"name", "=", "On call"}}, "return": []any{map[string]any{"parents": []string{"name"}}}})["parents"]; fmt.Sprint(got) != "[]" {
		t.Error(got)
	}
	p.click("button", "Actions for group Staff")
	p.click("menuitem", "Delete")
	p.click("button", "Delete")
	p.sees("The group is deleted")
	p.sees("1–4 of 4")
	// On the user's page.
	p.click("link", "ada")
	p.find("heading", "ada", 1)
	p.sees("In no group")
	p.click("button", "Change groups and unit")
	p.pick("Groups (optional)", "On", "On call")
	p.click("button", "Save")
	p.find("link", "On call", 1)
	p.click("link", "Field")
	p.sees("1–1 of 1")
}

// TestConsoleApplications: who logs on where, by which steps, is read as sentences, and changed.
func TestConsoleApplications(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "domain/create", attrsOf("name", "north"))
	c.result(t, service.url, "agent/create", attrsOf("name", "gateway", "permissions", []string{"auth/*"}))
	p.opens("Applications")
	p.sees("Users of all domains")
	p.click("link", "Realms")
	p.sees("No realms yet")
	p.click("button", "New realm")
	p.fill("Name", "Staff")
	p.pick("Domains (optional)", "nor", "north")
	p.click("button", "Save")
	p.sees("The realm is saved")
	p.looks("realms")
	p.click("link", "Logon procedures")
	p.click("button", "New logon procedure")
	p.fill("Name", "Two steps")
	p.click("button", "Save")
	p.sees("No step yet: nobody can")
	p.click("link", "Two steps")
	p.sees("No step yet: nobody can log on by it")
	p.click("button", "Add a step")
	p.click("checkbox", "A one-time password")
	p.click("button", "Save")
	p.sees("Choose one at least")
	p.click("checkbox", "The static password")
	p.looks("step-new")
	p.click("button", "Save")
	p.sees("The static password passes")
	p.click("button", "Add a step")
	p.click("checkbox", "A passcode that is sent")
	p.click("button", "Save")
	p.sees("First by the static password, then by a one-time password or a passcode that is sent.")
	p.click("button", "Actions for step 2")
	p.click("menuitem", "Earlier")
	p.sees("First by a one-time password or a passcode that is sent, then by the static password.")
	p.looks("procedure")

	p.click("link", "Applications")
	p.click("button", "New application")
	p.fill("Name", "VPN")
	p.pick("Realm (optional)", "Sta", "Staff")
	p.pick("Logon procedure (optional)", "Two", "Two steps")
	p.looks("application-new")
	p.click("button", "Save")
	p.sees("The application is saved")
	p.sees("Users of north")
	p.looks("applications")
	p.click("link", "VPN")
	p.sees("Nobody can log on yet")
	p.sees("no active agent has it")
	p.opens("Agents")
	p.click("link", "gateway")
	p.click("button", "Give it one")
	p.pick("Application", "VP", "VPN")
	p.click("button", "Give")
	p.sees("The agent has the application")
	p.looks("agent")
	p.click("link", "VPN")
	p.sees("Users of north log on through gateway. First by a one-time password or a passcode that is sent, then by the static password.")
	p.missing("Nobody can log on yet")
	p.looks("application")
	p.click("button", "More for VPN")
	p.click("menuitem", "Delete")
	p.fill("Type “VPN” to confirm", "VPN")
	p.click("button", "Delete")
	p.sees("is still in use by agents")
	p.click("button", "Cancel")
}

// TestConsoleOneToken: the page of a token tells whose it is and what happened to it, and everything can be done there.
func TestConsoleOneToken(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	seed := []byte("12345678901234567890")
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "john", "firstName", "John", "lastName", "Backus"))
	c.result(t, service.url, "token/create", attrsOf("product.productCode", "SE", "serial", "10000003", "seed", fmt.Sprintf("%x", seed)))
	c.result(t, service.url, "token/create", attrsOf("product.productCode", "GT", "serial", "soft-1"))
	p.opens("Tokens")
	p.click("link", "10000003")
	p.at("tokens/10000003")
	p.find("heading", "10000003", 1)
	p.sees("Nobody has it yet")
	p.click("button", "Assign")
	p.fill("User", "john")
	p.click("button", "Assign")
	p.sees("The token is assigned")
	p.find("link", `local\john`, 1)
	p.click("button", "Disable")
	p.sees("Disabled: its one-time passwords are refused.")
	p.sees(`local\admin disabled this token`)
	p.sees(`local\admin assigned this token`)
	p.missing("2 times") // the rows of the assignment, the token and the user tell of one call
	p.looks("token-page")
	p.click("button", "Enable")
	p.sees(`local\admin enabled this token`)
	p.click("button", "Actions for 10000003 of john")
	p.click("menuitem", "Validity and order")
	p.click("radio", "Only so many")
	p.fill("Times it can be used", "7")
	p.click("button", "Save")
	p.sees("0 of 7 uses")
	p.click("button", "Actions for 10000003 of john")
	p.click("menuitem", "PIN")
	p.click("button", "Save")
	p.sees("Fill this in, or choose “No PIN”")
	p.fill("New PIN", "2468")
	p.click("button", "Save")
	p.sees("The PIN is saved")
	params := otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1}
	verify := func(credential string) int {
		code, err := c.post(service.url, "auth/verify", map[string]any{"user": map[string]string{"loginName": "john"}, "credential": credential})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	if code := verify("2468" + otp.Generate(seed, 0, params)); code != 0 {
		t.Errorf("a login with the new PIN gives %d", code)
	}
	p.click("button", "More for 10000003")
	p.click("menuitem", "Reset")
	p.click("radio", "Is set")
	p.fill("Next counter", "40")
	p.click("button", "Reset")
	p.sees("The token is reset")
	if got := c.result(t, service.url, "token/get", map[string]any{"token": map[string]string{"serial": "10000003"}})["counter"]; got != 40.0 {
		t.Error("the counter is ", got)
	}
	p.click("button", "More for 10000003")
	p.click("menuitem", "Edit")
	p.fill("Serial", "20000003")
	p.click("button", "Save")
	p.at("tokens/20000003")
	p.find("heading", "20000003", 1)

	// Why john cannot log in, and the cure.
	for range 12 {
		verify("000000")
	}
	p.click("link", `local\john`)
	p.find("heading", "John Backus", 1)
	p.sees("Cannot log in: locked after")
	p.sees("first refused a login of this user: wrong credential")
	p.looks("user-locked")
	p.click("button", "Unlock")
	p.sees("The user is unlocked")
	p.missingSoon("Cannot log in")
	// A lost phone's token is taken away; the history tells of it when it is gone.
	p.click("button", "Actions for 20000003 of john")
	p.click("menuitem", "Take it away")
	p.click("button", "Take it away")
	p.sees("The token is taken away")
	p.sees("took a token from this user")
	p.address("#/tokens/20000003")
	p.sees("unassigned this token")
	p.click("button", "More for 20000003")
	p.click("menuitem", "Retire")
	p.click("button", "Retire")
	p.sees("Retired: its one-time passwords are refused for good.")
	p.address("#/tokens/nosuch")
	p.sees("There is no such token")
	p.looks("token-missing")
}

// TestConsoleOneDevice: the pages of a device and of an installation code.
func TestConsoleOneDevice(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "desk"))
	c.result(t, service.url, "deviceGroup/create", attrsOf("name", "Lobby"))
	c.result(t, service.url, "device/create", attrsOf("name", "Screen 1/2?", "user.loginName", "desk", "groups", []string{"Lobby"}))
	c.result(t, service.url, "installationCode/create", attrsOf("description", "for the screen", "code", "secret-code", "action", "USE_EXISTING_DEVICE", "device.name", "Screen 1/2?"))
	p.opens("Licenses")
	p.opens("Devices")
	p.click("link", "Screen 1/2?")
	p.find("heading", "Screen 1/2?", 1)
	p.sees("It has never connected with its client token")
	p.find("link", `local\desk`, 1)
	p.looks("device-page")
	p.click("button", "Generate Token")
	p.click("radio", "Create a new token and delete the existing one")
	p.click("button", "Generate Token")
	p.sees("tsc_")
	p.click("button", "Done")
	p.sees("made a new client token of this device")
	p.click("link", "for the screen")
	p.find("heading", "for the screen", 1)
	p.sees("Whoever uses it has the device Screen 1/2? from then on; its old token ends.")
	p.sees("Nobody has used it yet")
	p.missing("secret-code")
	p.looks("code-page")
	if code, err := c.post(service.url, "installationCode/redeem", map[string]any{"code": "secret-code", "nonce": "a nonce of the test", "device": map[string]string{}}); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	p.do(chromedp.Reload())
	p.missingSoon("Nobody has used it yet")
	p.click("button", "More for for the screen")
	p.click("menuitem", "Disable")
	p.sees("The code is disabled")
	p.click("button", "More for for the screen")
	p.click("menuitem", "Delete")
	p.click("button", "Remove")
	p.find("heading", "Installation codes", 1)
}

// missingSoon waits until the page does not show a text.
func (p *person) missingSoon(text string) {
	p.t.Helper()
	p.until(func() bool {
		shown := ""
		return chromedp.Run(p.ctx, chromedp.Evaluate(`document.body.innerText`, &shown)) == nil && shown != "" && !strings.Contains(shown, "Reading the record") && !strings.Contains(shown, text)
	}, func() string { return fmt.Sprintf("the page still shows %q", text) })
}

// TestConsoleAddressIsTheState: reload, Back and a copied link show the same rows.
func TestConsoleAddressIsTheState(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	var seeds strings.Builder
	seeds.WriteString("serial,seed,type\n")
	for i := range 90 {
		fmt.Fprintf(&seeds, "1%07d,%x,hotp\n", i, []byte(fmt.Sprintf("%020d", i)))
	}
	c.result(t, service.url, "token/import", attrsOf("data", seeds.String()))
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "grace"))
	c.result(t, service.url, "tokenAssignment/create", attrsOf("token.serial", "10000007", "user.loginName", "grace"))
	p.opens("Tokens")
	p.click("button", "Serial")
	p.sees("10000089")
	p.click("button", "Next")
	p.sees("26–50 of 90")
	p.sees("10000064")
	p.at("tokens?sort=-serial&page=2")
	p.do(chromedp.Reload())
	p.sees("26–50 of 90")
	p.sees("10000064")
	p.click("button", "Next")
	p.sees("51–75 of 90")
	p.do(chromedp.NavigateBack())
	p.sees("26–50 of 90")
	p.click("button", "Previous")
	p.sees("1–25 of 90")
	p.choose("Rows", "50")
	p.sees("1–50 of 90")
	p.click("button", "Unassigned")
	p.sees("of 89")
	p.click("link", "10000089")
	p.find("heading", "10000089", 1)
	p.do(chromedp.NavigateBack())
	p.sees("1–50 of 89")
	p.find("button", "Unassigned", 1)
	// What was typed may be a serial or a user.
	p.address("#/tokens")
	p.keys("/")
	p.focus("Search tokens")
	p.fill("Search tokens", "grac")
	p.sees("1–1 of 1")
	p.sees("Found by user")
	p.looks("tokens-found")
	p.keys(kb.ArrowDown)
	p.focus("10000007")
	p.keys(kb.Enter)
	p.find("heading", "10000007", 1)
	p.do(chromedp.NavigateBack())
	p.sees("Found by user")
	// Whoever cannot know an address is told so.
	p.address("#/tokens?page=400&sort=nothing")
	p.find("button", "Try again", 1)
}

// TestConsoleManyRows: many rows are disabled, exported and deleted at once, and what is refused is told.
func TestConsoleManyRows(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	var seeds strings.Builder
	seeds.WriteString("serial,seed,type\n")
	for i := range 240 {
		fmt.Fprintf(&seeds, "1%07d,%x,hotp\n", i, []byte(fmt.Sprintf("%020d", i)))
	}
	c.result(t, service.url, "token/import", attrsOf("data", seeds.String()))
	for i := range 3 {
		c.result(t, service.url, "token/create", attrsOf("product.productCode", "GT", "serial", fmt.Sprint("soft-", i)))
	}
	c.result(t, service.url, "token/set", map[string]any{"token": map[string]string{"serial": "10000009"}, "attrs": map[string]string{"status": "DECEASED"}})
	p.opens("Tokens")
	p.pick("Product", "DN/SE", "SafeID event-based")
	p.sees("of 240")
	p.click("checkbox", "Select all on this page")
	p.sees("25 selected")
	p.click("button", "Select all 240")
	p.sees("240 selected")
	p.looks("tokens-selected")
	p.click("button", "Disable")
	p.sees("Disable 240 tokens")
	p.click("button", "Disable")
	p.sees("239 done, 1 refused.")
	p.sees("10000009")
	p.looks("tokens-many-refused")
	p.click("button", "Done")
	if got := c.result(t, service.url, "token/search", map[string]any{"match": []any{[]string{"status", "=", "DISABLED"}}, "max": 0})["total"]; got != 239.0 {
		t.Errorf("%v tokens are disabled", got)
	}
	dir := p.downloads()
	p.click("button", "Export as CSV")
	if csv := p.saved(dir, "tokens.csv"); strings.Count(csv, "\r\n") != 241 || !strings.Contains(csv, `"10000239","SafeID event-based"`) {
		t.Errorf("%.300s", csv)
	}
	// The largest page is still a small document.
	p.choose("Rows", "150")
	p.sees("1–150 of 240")
	var nodes int
	p.do(chromedp.Evaluate(`document.querySelectorAll("*").length`, &nodes))
	if nodes >= 3000 {
		t.Errorf("a page of 150 rows has %d elements", nodes)
	}
	t.Logf("a page of 150 rows has %d elements", nodes)
	// A column that one does not want is gone, also after a reload, and also from the file.
	p.click("button", "Columns")
	p.click("checkbox", "Last used")
	p.click("button", "Show")
	p.gone("dialog", "Columns")
	p.gone("columnheader", "Last used")
	p.do(chromedp.Reload())
	p.find("columnheader", "Product", 1)
	p.gone("columnheader", "Last used")
	p.choose("Rows", "25")
	p.sees("1–25 of 240")
	p.fill("Product", "")
	p.fill("Search tokens", "soft-")
	p.sees("1–3 of 3")
	p.click("checkbox", "Select soft-0")
	p.click("checkbox", "Select soft-2")
	p.click("button", "Delete")
	p.find("dialog", "Delete 2 tokens", 1)
	p.click("button", "Delete")
	p.sees("2 done.")
	p.click("button", "Done")
	p.sees("1–1 of 1")
}

// TestConsoleOverview: the first page tells what needs attention and leads to it, and the record tells who did what.
func TestConsoleOverview(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	p.at("overview")
	p.sees("Nothing does: nobody is locked")
	p.looks("overview-calm")
	seed := []byte("12345678901234567890")
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "john", "firstName", "John", "lastName", "Backus"))
	c.result(t, service.url, "token/create", attrsOf("product.productCode", "SE", "serial", "10000003", "seed", fmt.Sprintf("%x", seed), "user.loginName", "john"))
	c.result(t, service.url, "license/create", attrsOf("name", "Trial", "seats", 5, "expires", time.Now().Add(72*time.Hour).UTC().Format(time.RFC3339)))
	verify := func(otp string) {
		if _, err := c.post(service.url, "auth/verify", map[string]any{"user": map[string]string{"loginName": "john"}, "credential": otp}); err != nil {
			t.Fatal(err)
		}
	}
	verify(otp.Generate(seed, 0, otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1}))
	for range 11 {
		verify("000000")
	}
	c.result(t, service.url, "token/set", map[string]any{"token": map[string]string{"serial": "10000003"}, "attrs": map[string]string{"status": "DISABLED"}})
	p.opens("Licenses")
	p.opens("Overview")
	p.sees("1 user is locked")
	p.sees("1 license ends")
	p.sees("2 accepted") // with the administrator's own
	p.sees("11 refused")
	p.looks("overview")
	p.click("link", "1 user is locked")
	p.sees("1–1 of 1")
	p.click("link", "john")
	p.find("heading", "John Backus", 1)

	// The record: the same again is one row, what was changed is told, and objects lead to their pages.
	p.opens("Audit")
	p.sees("× 10")
	p.sees("Changed a token: status to disabled")
	p.settled()
	var bars int // above the list, when it was
	p.do(chromedp.Evaluate(`[...document.querySelectorAll(".histogram .no")].filter((r) => r.getAttribute("height") > 0).length`, &bars))
	if bars == 0 {
		t.Error("no refusals are drawn")
	}
	p.looks("audit-folded")
	p.click("link", "10000003")
	p.find("heading", "10000003", 1)
	p.do(chromedp.NavigateBack())
	p.click("button", "Details of row …")
	p.sees("of the chain")
	p.looks("audit-details")
	p.click("button", "Close")
	p.address("#/audit?from=2020-01-01&until=2020-12-31")
	p.sees("Nothing fits")
	p.click("button", "Clear all")
	p.sees("Tried to log in")
	dir := p.downloads()
	p.click("button", "Export as CSV")
	if csv := p.saved(dir, "audit.csv"); !strings.Contains(csv, `"token/set: status=DISABLED"`) {
		t.Errorf("%.500s", csv)
	}

	// The palette finds pages and people by a few letters.
	p.click("button", "Go to")
	p.find("dialog", "Go to", 1)
	p.looks("palette")
	p.do(input.InsertText("jo back"))
	p.sees("John Backus")
	p.keys(kb.Enter)
	p.find("heading", "John Backus", 1)
	p.click("button", "Go to")
	p.find("dialog", "Go to", 1)
	p.do(input.InsertText("licen"))
	p.keys(kb.Enter)
	p.find("heading", "Licenses", 1)
}

// TestConsoleFewPermissions: an administrator with few permissions sees only what he may do, also on the pages of one object.
func TestConsoleFewPermissions(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "few", "password", "correct horse", "permissions", "token/search,token/get,user/search,application/search,device/search"))
	c.result(t, service.url, "token/create", attrsOf("product.productCode", "SE", "serial", "10000003", "user.loginName", "few"))
	c.result(t, service.url, "tokenAssignment/set", map[string]any{"tokenAssignment": map[string]any{"token.serial": "10000003"}, "attrs": map[string]string{"status": "DISABLED"}})
	p.click("button", "Sign out")
	p.signIn(`local\few`, "correct horse")
	nothing := func() {
		t.Helper()
		p.settled()
		for _, name := range []string{"Edit", "Delete", "Disable", "Assign", "Assign a token", "Synchronise", "Generate Token", "New …", "Add…", "Unassign", "More for …", "Import"} {
			if fit, _ := p.named("button", name); len(fit) > 0 {
				t.Errorf("there is a button %q", name)
			}
		}
		p.missing("History")
		if fit, _ := p.named("button", "Actions for …"); len(fit) > 0 {
			t.Error("there is a menu without an action")
		}
	}
	p.opens("Tokens")
	nothing()
	p.click("link", "10000003")
	p.find("heading", "10000003", 1)
	nothing()
	p.looks("token-few-permissions")
	p.click("link", `local\few`)
	p.find("heading", "few", 1)
	nothing()
	p.opens("Applications")
	p.click("link", "tokensmith")
	p.find("heading", "tokensmith", 1)
	nothing()
}

// permissions types the names of permissions into the open dialog.
func (p *person) permissions(names string) {
	p.t.Helper()
	if fit, _ := p.named("textbox", "Names of the permissions"); len(fit) == 0 {
		p.click("button", "Choose one by one")
	}
	p.fill("Names of the permissions", names)
}

// TestConsolePermissionsAreChosen: a role is chosen, or methods one by one; what one has not cannot be given.
func TestConsolePermissionsAreChosen(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	given := func(login string) string {
		return fmt.Sprint(c.result(t, service.url, "user/get", map[string]any{"user": map[string]string{"loginName": login}})["permissions"])
	}
	p.opens("Users")
	p.click("button", "New user")
	p.fill("Login name", "helen")
	p.fill("Domain", "local")
	p.fill("Password (optional)", "correct horse")
	p.fill("Password, again (optional)", "correct horse")
	p.choose("Permissions (optional)", "Help desk")
	p.sees("Finds people and their tokens, unlocks")
	p.click("button", "Save")
	p.sees("The user is saved")
	if got := given("helen"); got != "[role:help-desk]" {
		t.Error("a role is not kept by its name: ", got)
	}
	p.sees("Help desk") // the list says which
	p.click("button", "Actions for helen")
	p.click("menuitem", "Edit")
	p.click("button", "Choose one by one")
	p.looks("permissions")
	p.sees("Unlocks a user")
	p.click("checkbox", "user/unlock…") // a role with one less
	p.click("button", "Save")
	p.gone("dialog", "…")
	if got := given("helen"); strings.Contains(got, "user/unlock") || !strings.Contains(got, "token/syncToken") || !strings.Contains(got, "user/resetPassword") {
		t.Error(got)
	}
	p.click("button", "Actions for helen")
	p.click("menuitem", "Edit")
	p.click("button", "Choose one by one")
	p.click("checkbox", "device/create …")
	p.click("button", "Save")
	p.gone("dialog", "…")
	if got := given("helen"); !strings.Contains(got, "device/create") {
		t.Error(got)
	}
	p.click("button", "Sign out")
	p.signIn(`local\helen`, "correct horse")
	p.find("link", "Tokens", 1)
	p.missing("Agents")
}
