package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"tokensmith/model"
)

// administrator starts a service and opens a browser on its console, signed in as the first administrator.
func administrator(t *testing.T, args ...string) (*process, *caller, *person) {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, args: append([]string{"--db", filepath.Join(dir, "db"), "--check-in", "1m"}, args...), out: filepath.Join(dir, "out")}
	p.start()
	t.Cleanup(p.kill)
	c := &caller{}
	c.id, c.secret = p.first()
	who := visit(t, p.url)
	who.signIn("admin", p.password())
	return p, c, who
}

// password gives the first administrator's password, which the process printed.
func (p *process) password() string {
	text, err := os.ReadFile(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`login name admin, password (\S+)`).FindSubmatch(text)
	if m == nil {
		p.t.Fatalf("no password in %q", text)
	}
	return string(m[1])
}

func (p *person) signIn(login, password string) {
	p.t.Helper()
	p.fill("Login name", login)
	p.fill("Password", password)
	p.click("button", "Sign in")
	p.find("button", "Sign out", 1)
	p.settled()
}

// The document "Generating Client Tokens", step by step.
func TestConsoleClientTokens(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "license/create", attrsOf("name", "Standard", "seats", 30))

	// Generating a single token.
	p.opens("Devices")
	p.sees("No devices yet")
	p.looks("devices-empty")
	p.click("button", "New Device")
	p.find("dialog", "New Device", 1)
	p.click("button", "Save")
	p.sees("Give the device a name")
	p.fill("Device Name", "Lobby screen")
	p.click("button", "Save")
	p.sees("Select a license, or save the device without one")
	p.click("radio", "Standard 30 of 30 seats free")
	p.looks("device-new")
	p.click("button", "Save")
	p.find("dialog", "Client token of Lobby screen", 1)
	p.sees("Store this token securely")
	token := regexp.MustCompile(model.ClientTokenPattern).FindString(p.text())
	p.looks("device-token")
	p.click("button", "Done")
	p.focus("New Device")
	if code, err := c.post(service.url, "device/connect", map[string]string{"token": token}); code != 0 || err != nil {
		t.Error(code, err)
	}
	p.click("button", "New Device")
	p.fill("Device Name", "Kitchen screen")
	p.click("button", "Save Device Without a License")
	p.find("dialog", "Client token of Kitchen screen", 1)
	p.click("button", "Done")
	p.sees("Kitchen screen")

	// The Generate Token button, in the menu accessed through the ellipsis under the Actions title.
	p.click("button", "Actions for Lobby screen")
	p.looks("device-menu")
	p.click("menuitem", "Generate Token")
	p.sees("logged out")
	p.looks("device-generate")
	p.click("radio", "Use your existing token to add the selected device")
	p.click("button", "Generate Token")
	p.find("dialog", "Client token of Lobby screen", 1)
	if got := regexp.MustCompile(model.ClientTokenPattern).FindString(p.text()); got != token {
		t.Error("another token is shown than the existing one")
	}
	p.click("button", "Done")
	p.click("button", "Actions for Lobby screen")
	p.click("menuitem", "Generate Token")
	p.click("radio", "Create a new token and delete the existing one")
	p.click("button", "Generate Token")
	p.find("dialog", "Client token of Lobby screen", 1)
	fresh := regexp.MustCompile(model.ClientTokenPattern).FindString(p.text())
	p.click("button", "Done")
	for tok, want := range map[string]int{token: 512, fresh: 0} {
		if code, err := c.post(service.url, "device/connect", map[string]string{"token": tok}); code != want || err != nil {
			t.Errorf("%d, not %d: %v", code, want, err)
		}
	}

	// Generating multiple tokens.
	dir := p.downloads()
	p.click("button", "New Device")
	p.click("button", "Add Multiple Devices")
	p.find("dialog", "Add Multiple Devices", 1)
	p.fill("Label of the Devices", "Hall")
	p.fill("Quantity of the Devices", "25")
	p.find("checkbox", "Get the list of the tokens as a CSV file", 1)
	p.click("checkbox", "Standard 29 of 30 seats free")
	p.looks("devices-many")
	p.click("button", "Create Devices")
	p.find("dialog", "25 devices created", 1)
	csv := p.saved(dir, "Hall-tokens.csv")
	if n := len(regexp.MustCompile(model.ClientTokenPattern).FindAllString(csv, -1)); n != 25 {
		t.Errorf("%d tokens in the file", n)
	}
	p.looks("devices-created")
	p.click("button", "Done")
	p.click("button", "Hall")
	p.settled()
	p.sees("Hall-001")
	p.missing("Lobby screen")
	p.sees("1–25 of 25")
	p.looks("devices")
	// Without the list, and without licenses.
	p.click("button", "New Device")
	p.click("button", "Add Multiple Devices")
	p.fill("Label of the Devices", "Bare")
	p.fill("Quantity of the Devices", "2")
	p.click("checkbox", "Get the list of the tokens as a CSV file")
	p.click("button", "Save Device Without a License")
	p.find("dialog", "2 devices created", 1)
	p.click("button", "Done")
	p.click("button", "All devices")
	p.sees("Bare-002")

	// Search, sort, pages, groups, edit, delete.
	p.fill("Search by name", "kitch")
	p.sees("1–1 of 1")
	p.fill("Search by name", "nothing called this")
	p.sees("Nothing fits")
	p.fill("Search by name", "")
	p.sees("1–25 of 29")
	p.click("button", "Next")
	p.sees("26–29 of 29")
	p.click("button", "Previous")
	p.click("button", "New group")
	p.fill("Name", "Ground floor")
	p.click("button", "Save")
	p.sees("The group is saved")
	p.click("button", "Actions for Bare-001")
	p.click("menuitem", "Move to groups")
	p.click("checkbox", "Ground floor")
	p.click("button", "Save")
	p.sees("The device is moved")
	p.click("button", "Ground floor")
	p.sees("1–1 of 1")
	p.click("button", "All devices")
	p.click("button", "Actions for Bare-001")
	p.click("menuitem", "Edit")
	p.fill("Device Name", "Hall-001")
	p.click("button", "Save")
	p.sees("name must be unique")
	p.fill("Device Name", "Renamed")
	p.click("button", "Save")
	p.sees("The device is saved")
	p.fill("Search by name", "renamed")
	p.click("button", "Actions for Renamed")
	p.click("menuitem", "Delete")
	p.click("button", "Delete")
	p.sees("This is not the name")
	p.fill("Type “Renamed” to confirm", "Renamed")
	p.click("button", "Delete")
	p.sees("Nothing fits")
}

// attrsOf gives attributes of all types.
func attrsOf(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return map[string]any{"attrs": m}
}
