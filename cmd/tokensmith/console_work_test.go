package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// These tests are about the work of the people at the console: what they enter is what is saved, or they are told why not.

// found returns the first row that a search finds.
func (c *agentCaller) found(t *testing.T, service *process, method string, params map[string]any) map[string]any {
	t.Helper()
	rows := c.result(t, service.url, method, params)["rows"].([]any)
	if len(rows) == 0 {
		t.Fatal(method, params, "finds nothing")
	}
	return rows[0].(map[string]any)
}

// TestConsoleUnreadableIsNotEmpty: a field with something unreadable is refused, and is not saved as "never" or "unlimited".
func TestConsoleUnreadableIsNotEmpty(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)

	p.opens("Installation codes")
	p.click("button", "Add")
	p.fill("Description", "spring")
	p.fill("Username prefix", "guest")
	p.pick("Domain", "loc", "local")
	p.click("radio", "Expires")
	p.types("Expires at", "0101") // a month and a day
	p.click("button", "Save")
	p.sees("This is no whole date and time")
	p.click("radio", "Does not expire")
	p.click("radio", "Only so many times")
	p.click("button", "Save")
	p.sees("Fill this in, or choose “Any number of times”")
	p.types("Times it can be used", "5e")
	p.click("button", "Save")
	p.sees("This is no whole number")
	p.looks("code-unreadable")
	p.fill("Times it can be used", "5")
	p.click("button", "Save")
	p.sees("The installation code is saved")
	p.sees("0 of 5")

	p.opens("Licenses")
	p.click("button", "New license")
	p.fill("Name", "Standard")
	p.types("Seats", "1e")
	p.click("button", "Save")
	p.sees("This is no whole number")
	p.fill("Seats", "10")
	p.click("radio", "Expires")
	p.types("Expires at", "0101")
	p.click("button", "Save")
	p.sees("This is no whole date and time")
	p.looks("license-unreadable")
	p.click("radio", "Does not expire")
	p.click("button", "Save")
	p.sees("0 of 10")

	p.opens("Agents")
	p.click("button", "New agent")
	p.fill("Name", "batch")
	p.permissions("token/*")
	p.click("radio", "Only so many calls a second")
	p.types("Calls a second", "10e")
	p.click("button", "Save")
	p.sees("This is no whole number")
	p.fill("Calls a second", "10")
	p.click("radio", "Only from these")
	p.fill("Networks it calls from", " , ")
	p.click("button", "Save")
	p.sees("This names nothing")
	p.fill("Networks it calls from", "10.0.0.0/8")
	p.click("button", "Save")
	p.sees("It is shown this once")
	p.click("button", "Done")
	agent := c.found(t, service, "agent/search", map[string]any{"match": []any{[]string{"name", "=", "batch"}}})
	if got := fmt.Sprint(agent["rateLimit"], agent["addresses"], agent["domains"]); got != "10 [10.0.0.0/8] []" {
		t.Error(got)
	}
}

// TestConsoleShowsHowAFileIsRead: the server decodes a file, and its first rows are shown before it is imported.
func TestConsoleShowsHowAFileIsRead(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte("domain,loginName,firstName,password\nlocal,jose,Jos\xe9,correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.opens("Users")
	p.click("button", "Import")
	p.attach(file)
	p.sees("is not UTF-8")
	p.choose("Characters of the file", "Windows-1250 (Central Europe)")
	p.sees("1 row in all")
	p.choose("Characters of the file", "Windows-1251 (Cyrillic)")
	p.sees("Josй") // it is not what the file was written in, and this can be seen before anything is stored
	p.choose("Characters of the file", "Windows-1252 (Western Europe)")
	p.sees("José")
	p.missing("correct horse")
	p.looks("users-preview")
	p.click("button", "Import")
	p.sees("1 user made, 0 updated")
	p.click("button", "Done")
	if got := c.result(t, service.url, "user/get", map[string]any{"user": map[string]string{"loginName": "jose"}})["firstName"]; got != "José" {
		t.Error(got)
	}

	// Of a large file the beginning is read, up to a whole line.
	var large strings.Builder
	large.WriteString("domain,loginName,description\n")
	for i := range 30_000 {
		fmt.Fprintf(&large, "local,many%05d,%060d\n", i, i)
	}
	if err := os.WriteFile(file, []byte(large.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p.click("button", "Import")
	p.attach(file)
	p.sees("The file is large: only its beginning was read")
	p.sees("many00000")
	p.missing("is not")
	p.click("button", "Cancel")
	p.click("button", "Discard")
	p.gone("dialog", "…")
}

// TestConsoleAsksWhichIsMeant: where a name fits several objects, none of them is taken; every name of a user can be typed.
func TestConsoleAsksWhichIsMeant(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	for _, domain := range []string{"north", "south"} {
		c.result(t, service.url, "domain/create", attrsOf("name", domain, "isDefault", domain == "north"))
	}
	for _, domain := range []string{"local", "north", "south"} {
		c.result(t, service.url, "user/create", attrsOf("domain.name", domain, "loginName", "twin", "firstName", "Tina", "lastName", "Of "+domain))
	}
	c.result(t, service.url, "user/create", attrsOf("domain.name", "south", "loginName", "ann", "firstName", "Ann", "lastName", "Example", "userPrincipalName", "ann@corp.example"))
	for i := range 60 { // more than are offered
		c.result(t, service.url, "user/create", attrsOf("domain.name", "south", "loginName", fmt.Sprintf("crowd%02d", i)))
	}
	for _, serial := range []string{"one", "two", "three"} {
		c.result(t, service.url, "token/create", attrsOf("product.productCode", "GT", "serial", serial))
	}
	assignTo := func(serial, user string) {
		t.Helper()
		p.click("button", "Actions for "+serial)
		p.click("menuitem", "Assign")
		p.find("dialog", "Assign token "+serial, 1)
		p.fill("User", user)
	}
	assigned := func(serial string) {
		t.Helper()
		p.click("button", "Assign")
		p.gone("dialog", "Assign token "+serial)
	}
	holder := func(serial string) string {
		t.Helper()
		row := c.result(t, service.url, "token/get", map[string]any{"token": map[string]string{"serial": serial}, "return": []any{map[string]any{"users": []string{"domain.name", "loginName"}}}})
		return fmt.Sprint(row["users"])
	}
	p.opens("Tokens")
	assignTo("one", "twin")
	p.sees("Tina Of north")
	p.click("button", "Assign")
	p.sees("Several are called this: choose one of them")
	p.looks("pick-several")
	if got := holder("one"); got != "[]" {
		t.Errorf("the token was assigned to %s", got)
	}
	p.keys(kb.ArrowDown, kb.ArrowDown, kb.ArrowDown) // by keyboard: local, north, south
	enter := input.DispatchKeyEventParams{Key: "Enter", WindowsVirtualKeyCode: 13}
	for _, enter.Type = range []input.KeyType{input.KeyRawDown, input.KeyUp} { // a handled key makes no character
		p.do(&enter)
	}
	assigned("one")
	if got := holder("one"); got != "[map[domain.name:south loginName:twin]]" {
		t.Error(got)
	}
	assignTo("two", "ann@corp.example")
	assigned("two")
	if got := holder("two"); got != "[map[domain.name:south loginName:ann]]" {
		t.Error(got)
	}
	assignTo("three", "crowd")
	p.sees("There are more: type more of the name.")
	p.looks("pick-more")
	p.keys(kb.Enter)
	p.sees("Nothing is called this in full: choose from the list")
	// What is pressed is chosen, even if what was typed last is answered while it is.
	p.fill("User", "crow")
	p.sees(`south\crowd00`)
	at := p.option(`south\crowd00`)
	p.do(input.InsertText("d"), input.DispatchMouseEvent(input.MousePressed, at[0], at[1]).WithButton(input.Left).WithClickCount(1), chromedp.Sleep(time.Second),
		input.DispatchMouseEvent(input.MouseReleased, at[0], at[1]).WithButton(input.Left).WithClickCount(1))
	p.until(func() bool {
		var got string
		p.do(chromedp.Evaluate(`[...document.querySelectorAll("dialog [role=combobox]")].at(-1).value`, &got))
		return got == `south\crowd00`
	}, func() string { return "a slow click on what is offered does not choose it" })
	p.pick("User", "crowd59", `south\crowd59`)
	assigned("three")
}

// TestConsoleKeepsWork: neither the end of a session, nor Back, nor Esc, nor another tab, nor a lost answer takes away what
// somebody entered, or what is shown once.
func TestConsoleKeepsWork(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	p.opens("Licenses")
	p.opens("Devices")
	p.click("button", "New Device")
	p.fill("Device Name", "Lobby screen")
	// Esc and Back ask.
	p.keys(kb.Escape)
	p.find("dialog", "Discard what you entered?", 1)
	p.looks("discard")
	p.click("button", "Keep editing")
	p.do(chromedp.NavigateBack())
	p.find("dialog", "Discard what you entered?", 1)
	p.keys(kb.Escape)
	p.gone("dialog", "Discard what you entered?")
	p.at("devices")
	// The session ends. One signs in over the dialog, and the call goes on.
	c.result(t, service.url, "user/set", map[string]any{"user": map[string]string{"loginName": "admin"}, "attrs": map[string]string{"password": "another horse"}})
	p.click("button", "Save Device Without a License")
	p.find("dialog", "Sign in again", 1)
	p.keys(kb.Escape)
	p.fill("Password", "another horse")
	p.click("button", "Sign in")
	p.find("dialog", "Client token of Lobby screen", 1)
	p.gone("dialog", "Sign in again")
	// The token stays until one says that one has it.
	p.do(chromedp.NavigateBack())
	p.find("dialog", "Have you stored it?", 1)
	p.looks("stored")
	p.click("button", "Go back to it")
	p.sees("tsc_")
	p.click("button", "Done")
	p.gone("dialog", "…")
	p.sees("Lobby screen")

	// A save whose answer is lost is not done twice, and its answer comes nevertheless.
	p.click("button", "New Device")
	p.fill("Device Name", "Kitchen screen")
	lose := `(() => { const real = fetch; window.fetch = async (...args) => { await real(...args); window.fetch = real; throw new TypeError("lost"); }; })()`
	p.do(chromedp.Evaluate(lose, nil))
	p.click("button", "Save Device Without a License")
	p.sees("nobody knows whether this was done")
	p.looks("answer-lost")
	p.click("button", "Save Device Without a License")
	p.find("dialog", "Client token of Kitchen screen", 1)
	if !strings.Contains(p.text(), "tsc_") {
		t.Error("no token is shown")
	}
	p.click("button", "Done")
	p.sees("1–2 of 2")

	// While a save is under way, the dialog stays.
	p.click("button", "New Device")
	p.fill("Device Name", "Hall screen")
	p.do(network.EmulateNetworkConditions(false, 1500, -1, -1))
	p.click("button", "Save Device Without a License")
	p.keys(kb.Escape)
	p.find("dialog", "Client token of Hall screen", 1)
	p.do(network.EmulateNetworkConditions(false, 0, -1, -1))
	p.click("button", "Done")

	// Somebody else changes the same device.
	p.click("button", "Actions for Hall screen")
	p.click("menuitem", "Edit")
	p.fill("Description (optional)", "mine")
	c.result(t, service.url, "device/set", map[string]any{"device": map[string]string{"name": "Hall screen"}, "attrs": map[string]string{"description": "theirs"}})
	p.click("button", "Save")
	p.sees("Somebody has changed this meanwhile, to “theirs”")
	p.looks("changed-meanwhile")
	p.click("button", "Save")
	p.sees("The device is saved")
	if got := c.result(t, service.url, "device/get", map[string]any{"device": map[string]string{"name": "Hall screen"}})["description"]; got != "mine" {
		t.Error(got)
	}

	// Going away is possible: what was not saved is discarded then.
	p.click("button", "New Device")
	p.fill("Device Name", "never saved")
	p.do(chromedp.NavigateBack())
	p.click("button", "Discard")
	p.find("heading", "Licenses", 1)
	p.at("licenses")
}

// TestConsoleAcceptsOwnPassword: an administrator who may change no user changes his own password, and types it twice.
func TestConsoleAcceptsOwnPassword(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "few", "password", "correct horse", "permissions", "device/search"))
	p.click("button", "Sign out")
	p.signIn(`local\few`, "correct horse")
	p.opens("My account")
	p.click("button", "Change password")
	p.fill("Your password now", "correct horse")
	p.fill("New password", "12345")
	p.fill("New password, again", "54321")
	p.click("button", "Change password")
	p.sees("The two are not the same")
	p.fill("New password, again", "12345")
	p.click("button", "Change password")
	p.sees("Must have at least 8 characters")
	p.looks("change-password")
	p.fill("New password", "better horse")
	p.fill("New password, again", "better horse")
	p.click("button", "Change password")
	p.sees("Your password is changed")
	p.settled()
	p.click("button", "Sign out")
	p.signIn(`local\few`, "better horse")
	// His own token is told, although he may look at none; all his sessions end at once, wherever they are.
	c.result(t, service.url, "token/create", attrsOf("product.productCode", "GT", "serial", "soft-1", "user.loginName", "few"))
	elsewhere := visit(t, service.url)
	elsewhere.find("heading", "Sign in", 1)
	p.opens("Devices")
	p.opens("My account")
	p.sees("soft-1")
	p.sees("This one")
	p.choose("Colours", "Dark")
	p.looks("account")
	p.choose("Colours", "As the system has them")
	p.call(last(p.find("combobox", "Dates", 1)), `function() { this.value = "de"; this.dispatchEvent(new Event("change", {bubbles: true})) }`)
	p.do(chromedp.Reload())
	p.find("heading", "My account", 1)
	p.settled()
	var dated string
	p.do(chromedp.Evaluate(`document.querySelector("main time").title`, &dated))
	if !regexp.MustCompile(`^\d\d\.\d\d\.\d{4}`).MatchString(dated) {
		t.Errorf("a date in German is %q", dated)
	}
	c.result(t, service.url, "token/delete", map[string]any{"token": map[string]string{"serial": "soft-1"}})
	elsewhere.signIn(`local\few`, "better horse")
	p.opens("Devices")
	p.opens("My account")
	p.click("button", "Sign out everywhere")
	p.click("button", "Sign out everywhere")
	p.sees("You have signed out everywhere")
	elsewhere.click("link", "Devices")
	elsewhere.click("link", "My account")
	elsewhere.sees("Your session has ended")
}

// TestConsoleShowsCodesOnRequest: each installation code that is shown is recorded, so it is shown only on request, and neither
// the page nor a printed QR code shows another one.
func TestConsoleShowsCodesOnRequest(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	for i := range 3 {
		c.result(t, service.url, "installationCode/create", attrsOf("description", fmt.Sprint("number ", i), "code", fmt.Sprint("secret-", i), "action", "CREATE_ACCOUNT_AND_DEVICE", "usernamePrefix", "g", "domain.name", "local"))
	}
	c.result(t, service.url, "installationCode/create", attrsOf("description", "another", "code", "hidden", "action", "CREATE_ACCOUNT_AND_DEVICE", "usernamePrefix", "g", "domain.name", "local"))
	shown := func() int {
		total := 0.0
		for _, method := range []string{"installationCode/search", "installationCode/get", "installationCode/getQRCode"} {
			total += c.result(t, service.url, "audit/search", map[string]any{"match": []any{[]string{"method", "=", method}}, "max": 0})["total"].(float64)
		}
		return int(total)
	}
	p.opens("Installation codes")
	p.sees("1–4 of 4")
	p.fill("Search installation codes", "number")
	p.sees("1–3 of 3")
	p.missing("secret-")
	p.click("checkbox", "Select number 1")
	p.click("button", "Edit")
	p.find("dialog", "Edit installation code", 1)
	p.click("button", "Cancel")
	if n := shown(); n != 0 {
		t.Errorf("%d codes were recorded as shown", n)
	}
	p.click("button", "Show the installation code number 1")
	p.sees("secret-1")
	if n := shown(); n != 1 {
		t.Errorf("one code that was shown is recorded %d times", n)
	}
	p.do(emulation.SetEmulatedMedia().WithMedia("print"))
	p.sees("secret-1")
	for _, text := range []string{"number 2", "Audit", "Installation codes"} {
		p.missing(text)
	}
	p.picture("code-printed")
	p.do(emulation.SetEmulatedMedia().WithMedia(""))
	p.click("button", "Close")
	// One that cannot be used any more has no QR code, and can still be read.
	c.result(t, service.url, "installationCode/set", map[string]any{"match": []any{[]string{"description", "=", "number 2"}}, "attrs": map[string]any{"enabled": false}})
	p.click("button", "Show the installation code number 2")
	p.sees("secret-2")
	p.sees("The installation code is disabled")
	p.looks("code-disabled")
	if n := shown(); n != 2 {
		t.Errorf("two codes that were shown are recorded %d times", n)
	}
}

// TestConsoleDeviceFaults: groups add up, seats mix, a typed name goes along, and the focus stays.
func TestConsoleDeviceFaults(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "license/create", attrsOf("name", "Standard", "seats", 2))
	for _, name := range []string{"Lobby", "Kitchen"} {
		c.result(t, service.url, "deviceGroup/create", attrsOf("name", name))
	}
	c.result(t, service.url, "device/create", attrsOf("name", "screen", "groups", []string{"Lobby"}))
	p.opens("Licenses")
	p.opens("Devices")
	p.find("button", "Kitchen", 1)
	// Dropping a device on a group leaves its other groups.
	p.do(chromedp.Evaluate(`(() => {
		const data = new DataTransfer();
		const fire = (e, type) => e.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: data}));
		fire([...document.querySelectorAll("tbody tr")].find((tr) => tr.textContent.includes("screen")), "dragstart");
		const group = [...document.querySelectorAll(".tree button")].find((b) => b.textContent === "Kitchen");
		fire(group, "dragover");
		fire(group, "drop");
	})()`, nil))
	p.sees("screen is in Kitchen too")
	in := fmt.Sprint(c.result(t, service.url, "device/get", map[string]any{"device": map[string]string{"name": "screen"}, "return": []any{map[string]any{"groups": []string{"name"}}}})["groups"])
	if !strings.Contains(in, "Lobby") || !strings.Contains(in, "Kitchen") {
		t.Error("the device is in ", in)
	}
	p.click("button", "Kitchen")
	p.settled()
	p.focus("Kitchen")
	p.click("button", "All devices")

	p.click("button", "New Device")
	p.fill("Device Name", "Hall")
	p.click("radio", "Standard 2 of 2 seats free")
	p.click("button", "Add Multiple Devices")
	p.find("dialog", "Add Multiple Devices", 1)
	p.fill("Quantity of the Devices", "3")
	p.click("button", "Create Devices")
	p.sees("1 of the devices get no seat")
	p.click("checkbox", "Make devices without a license where the seats do not suffice")
	p.looks("devices-mixed")
	p.click("button", "Create Devices")
	p.find("dialog", "3 devices created", 1) // without a file
	if strings.Contains(p.text(), "Download the CSV again") {
		t.Error("a file of tokens was made that nobody wanted")
	}
	p.click("button", "Done")
	licensed := 0
	for _, row := range c.result(t, service.url, "device/search", map[string]any{"match": []any{[]string{"name", ">>", "Hall-"}}, "return": []string{"license.name"}})["rows"].([]any) {
		if row.(map[string]any)["license.name"] == "Standard" {
			licensed++
		}
	}
	if licensed != 2 {
		t.Errorf("%d devices have a license", licensed)
	}
	// No column lies under the Actions.
	long := strings.TrimSpace(strings.Repeat("long name ", 8))
	c.result(t, service.url, "license/create", attrsOf("name", "License "+long, "seats", 2))
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "owner-"+strings.ReplaceAll(long, " ", "-")))
	made := c.result(t, service.url, "device/create", attrsOf("name", "A "+long, "license.name", "License "+long, "user.loginName", "owner-"+strings.ReplaceAll(long, " ", "-"), "groups", []string{"Lobby", "Kitchen"}))
	if code, err := c.post(service.url, "device/connect", map[string]any{"token": made["clientToken"]}); code != 0 || err != nil {
		t.Error(code, err)
	}
	p.fill("Search devices", "A long")
	p.sees("1–1 of 1")
	p.sees("Online")
	p.looks("devices-long")
	var hidden []string
	p.do(chromedp.Evaluate(`(() => {
		const frame = document.querySelector(".frame");
		return frame.scrollWidth > frame.clientWidth + 1 ? [frame.scrollWidth + " > " + frame.clientWidth] : [];
	})()`, &hidden))
	if len(hidden) > 0 {
		t.Error("the table does not fit: ", hidden)
	}

	// The last administrator stays.
	p.opens("Users")
	p.click("button", "Actions for admin")
	p.click("menuitem", "Delete")
	p.fill("Type “admin” to confirm", "admin")
	p.click("button", "Delete")
	p.sees("this is the last administrator who may do everything")
	p.click("button", "Cancel")
	p.click("button", "Actions for admin")
	p.click("menuitem", "Edit")
	p.permissions(" ")
	p.click("button", "Save")
	p.sees("this is the last administrator who may do everything")
}
