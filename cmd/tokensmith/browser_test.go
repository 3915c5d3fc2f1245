package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"tokensmith/model/modeltest"
)

// pictures is the folder for screenshots; git ignores it.
const pictures = "../../bin/screenshots"

// person is somebody who uses a browser. A person finds things by their role and name, as a screen reader does.
type person struct {
	t    *testing.T
	ctx  context.Context
	home string

	mu       sync.Mutex
	troubles []string // errors of the page, and requests to other hosts
}

// visit opens a browser with the console of a running server.
func visit(t *testing.T, home string) *person {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.WindowSize(1440, 900),
		chromedp.WSURLReadTimeout(modeltest.Patience),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root cannot use the sandbox
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	// The library complains about events that are newer than itself.
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}),
		chromedp.WithBrowserOption(chromedp.WithDialTimeout(modeltest.Patience)))
	t.Cleanup(stop)
	p := &person{t: t, ctx: ctx, home: home}
	host := strings.TrimPrefix(home, "http://")
	chromedp.ListenTarget(ctx, func(event any) {
		trouble := ""
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			trouble = e.ExceptionDetails.Error()
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "status of 401") && !strings.Contains(e.Entry.Text, "status of 429") {
				trouble = e.Entry.Text + " " + e.Entry.URL
			}
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				trouble = fmt.Sprint(e.Type, " on the console")
			}
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err == nil && u.Host != host && u.Scheme != "data" && u.Scheme != "blob" {
				trouble = "a request to " + e.Request.URL
			}
		}
		if trouble != "" {
			p.mu.Lock()
			p.troubles = append(p.troubles, trouble)
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			p.picture("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, trouble := range p.troubles {
			t.Error("the browser complains: ", trouble)
		}
	})
	if err := chromedp.Run(ctx); err != nil { // the browser lives as long as the context of this call
		t.Fatal(err)
	}
	p.do(network.Enable(), log.Enable(), accessibility.Enable(), chromedp.Navigate(home+"/console/"))
	return p
}

func (p *person) do(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, modeltest.Patience)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// until waits until done. If it is not done in time, the test fails and says what is missing.
func (p *person) until(done func() bool, missing func() string) {
	p.t.Helper()
	for deadline := time.Now().Add(modeltest.Patience); !done(); time.Sleep(40 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatal(missing())
		}
	}
}

// named returns the elements with a role and name that exist now, and the names of all with that role. A name that ends in "…" is
// only the beginning of the name.
func (p *person) named(role, name string) (fit []*accessibility.Node, all []string) {
	start, cut := strings.CutSuffix(name, "…")
	chromedp.Run(p.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		root, err := dom.GetDocument().Do(ctx)
		if err != nil {
			return err
		}
		// Read without the reasons why nodes are ignored, of which newer browsers have some that the library does not know.
		var found struct {
			Nodes []struct {
				Ignored          bool                 `json:"ignored"`
				Name             *accessibility.Value `json:"name"`
				BackendDOMNodeID cdp.BackendNodeID    `json:"backendDOMNodeId"`
			} `json:"nodes"`
		}
		err = cdp.Execute(ctx, accessibility.CommandQueryAXTree, accessibility.QueryAXTree().WithNodeID(root.NodeID).WithRole(role), &found)
		for _, n := range found.Nodes {
			if n.Ignored || n.Name == nil {
				continue
			}
			node := &accessibility.Node{Name: n.Name, BackendDOMNodeID: n.BackendDOMNodeID}
			var got string
			if json.Unmarshal(node.Name.Value, &got) != nil {
				continue
			}
			all = append(all, got)
			if got == name || cut && strings.HasPrefix(got, start) {
				fit = append(fit, node)
			}
		}
		return err
	}))
	return fit, all
}

// find waits for at least n elements with a role and name.
func (p *person) find(role, name string, n int) (fit []*accessibility.Node) {
	p.t.Helper()
	var all []string
	p.until(func() bool {
		fit, all = p.named(role, name)
		return len(fit) >= n
	}, func() string { return fmt.Sprintf("no %s %q; there are %q", role, name, all) })
	return fit
}

// click clicks the last element with a role and name, because elements of a dialog come last.
func (p *person) click(role, name string) {
	p.t.Helper()
	p.settled() // loading data may move elements
	for began := time.Now(); ; {
		nodes := p.find(role, name, 1)
		err := chromedp.Run(p.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
			id := nodes[len(nodes)-1].BackendDOMNodeID
			if err := dom.ScrollIntoViewIfNeeded().WithBackendNodeID(id).Do(ctx); err != nil {
				return err
			}
			box, err := dom.GetContentQuads().WithBackendNodeID(id).Do(ctx)
			if err != nil || len(box) == 0 {
				return fmt.Errorf("%s %q has no place on the page: %w", role, name, err)
			}
			x, y := (box[0][0]+box[0][4])/2, (box[0][1]+box[0][5])/2
			return chromedp.MouseClickXY(x, y).Do(ctx)
		}))
		if err == nil {
			return
		}
		if time.Since(began) > modeltest.Patience {
			p.t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// call calls a JavaScript function with an element.
func (p *person) call(node *accessibility.Node, function string) {
	p.t.Helper()
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		obj, err := dom.ResolveNode().WithBackendNodeID(node.BackendDOMNodeID).Do(ctx)
		if err != nil {
			return err
		}
		_, exception, err := runtime.CallFunctionOn(function).WithObjectID(obj.ObjectID).Do(ctx)
		if exception != nil {
			return exception
		}
		return err
	}))
}

// fill replaces the text in the field with a label.
func (p *person) fill(label, text string) {
	p.t.Helper()
	node := last(p.field(label))
	p.call(node, "function() { this.focus(); this.select?.() }")
	p.do(input.InsertText(text))
}

func last(nodes []*accessibility.Node) *accessibility.Node { return nodes[len(nodes)-1] }

// field returns the field with a label, whatever kind of field it is.
func (p *person) field(label string) (fit []*accessibility.Node) {
	p.t.Helper()
	p.until(func() bool {
		for _, role := range []string{"textbox", "searchbox", "spinbutton", "combobox", "DateTime"} {
			if fit, _ = p.named(role, label); len(fit) > 0 {
				return true
			}
		}
		return false
	}, func() string { return fmt.Sprintf("no field %q", label) })
	return fit
}

// types types into the field with a label, key by key. Unlike fill, it replaces nothing, and can type what is not valid.
func (p *person) types(label, text string) {
	p.t.Helper()
	p.call(last(p.field(label)), "function() { this.focus() }")
	p.do(chromedp.KeyEvent(text))
}

// pick types text into the field with a label, and clicks what is offered for it. option is how that begins.
func (p *person) pick(label, text, option string) {
	p.t.Helper()
	p.fill(label, text)
	at := p.option(option)
	left := ""
	p.do(chromedp.MouseClickXY(at[0], at[1]), chromedp.Evaluate(`[...document.querySelectorAll("[role=combobox]")].map((e) => e.value ?? "").join("\n")`, &left))
	if slices.Contains(strings.Split(left, "\n"), text) {
		p.t.Fatalf("a click on %q does not choose it for %q", option, text)
	}
}

// option waits until something is offered whose text begins with begin, and returns its middle.
func (p *person) option(begin string) (at []float64) {
	p.t.Helper()
	// The accessibility tree of the newest browsers cannot be read where it has options.
	p.until(func() bool {
		return chromedp.Run(p.ctx, chromedp.Evaluate(fmt.Sprintf(`(async () => {
			const found = () => [...document.querySelectorAll("[role=option]")].find((e) => e.checkVisibility() && e.innerText.startsWith(%q));
			found()?.scrollIntoView({block: "nearest"});
			// The list gets its place with the next frame.
			for (let n = 0; n < 2; n++) await new Promise((next) => requestAnimationFrame(next));
			const r = found()?.getBoundingClientRect();
			return r ? [r.x + r.width / 2, r.y + r.height / 2] : [];
		})()`, begin), &at, awaited)) == nil && len(at) == 2
	}, func() string { return fmt.Sprintf("%q is not offered", begin) })
	return at
}

// choose selects an option of a select element by its text.
func (p *person) choose(label, option string) {
	p.t.Helper()
	p.call(last(p.find("combobox", label, 1)), fmt.Sprintf(`function() {
		const o = [...this.options].find((o) => o.text === %q);
		if (!o) throw new Error("no such option");
		this.value = o.value;
		this.dispatchEvent(new Event("change", {bubbles: true}));
	}`, option))
}

// sees waits until the page, or a dialog over it, shows a text.
func (p *person) sees(text string) {
	p.t.Helper()
	shown := ""
	p.until(func() bool {
		return chromedp.Run(p.ctx, chromedp.Evaluate(`document.body.innerText`, &shown)) == nil && strings.Contains(shown, text)
	}, func() string { return fmt.Sprintf("the page does not show %q but %.1500q", text, shown) })
}

// missing fails the test if the page shows a text.
func (p *person) missing(text string) {
	p.t.Helper()
	if shown := p.text(); strings.Contains(shown, text) {
		p.t.Fatalf("the page shows %q", text)
	}
}

func (p *person) text() (shown string) {
	p.t.Helper()
	p.do(chromedp.Evaluate(`document.body.innerText`, &shown))
	return shown
}

// opens opens a page of the console with its link.
func (p *person) opens(name string) {
	p.t.Helper()
	p.click("link", name)
	p.find("heading", name, 1)
	p.settled()
}

// settled waits until nothing is under way: on the page, or in the dialog over it.
func (p *person) settled() {
	p.t.Helper()
	p.until(func() bool {
		busy := true
		return chromedp.Run(p.ctx, chromedp.Evaluate(`(() => {
			const top = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.documentElement;
			return top.matches("[aria-busy=true]") || top.querySelector("[aria-busy=true], tr.waiting") !== null;
		})()`, &busy)) == nil && !busy
	}, func() string { return "the list does not come" })
}

// gone waits until no element with a role and name is there.
func (p *person) gone(role, name string) {
	p.t.Helper()
	p.until(func() bool {
		fit, _ := p.named(role, name)
		return len(fit) == 0
	}, func() string { return fmt.Sprintf("%s %q does not go away", role, name) })
}

// at waits until the address is that of a page.
func (p *person) at(page string) {
	p.t.Helper()
	now := ""
	p.until(func() bool {
		return chromedp.Run(p.ctx, chromedp.Evaluate(`location.hash`, &now)) == nil && now == "#/"+page
	}, func() string { return fmt.Sprintf("the address is %q, not that of %s", now, page) })
}

func (p *person) keys(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// focusedName is the name of the focused element.
const focusedName = `(() => { const e = document.activeElement; return (e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent ?? "").trim(); })()`

// focus waits until the focused element has this name.
func (p *person) focus(name string) {
	p.t.Helper()
	what := ""
	p.until(func() bool {
		p.do(chromedp.Evaluate(focusedName, &what))
		return what == name
	}, func() string { return fmt.Sprintf("the focus is at %q, not at %q", what, name) })
}

// attach selects a file in the open dialog's file field.
func (p *person) attach(file string) {
	p.t.Helper()
	abs, err := filepath.Abs(file)
	if err != nil {
		p.t.Fatal(err)
	}
	p.find("dialog", "…", 1)
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		obj, exception, err := runtime.Evaluate(`document.querySelector("dialog input[type=file]")`).Do(ctx)
		if err != nil || exception != nil {
			return fmt.Errorf("no file field: %v %w", exception, err)
		}
		return dom.SetFileInputFiles([]string{abs}).WithObjectID(obj.ObjectID).Do(ctx)
	}))
}

// downloads makes the browser save downloads in a folder, and returns the folder.
func (p *person) downloads() string {
	dir := p.t.TempDir()
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		return browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(dir).
			Do(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
	}))
	return dir
}

// saved waits for a downloaded file and returns its text.
func (p *person) saved(dir, name string) (text string) {
	p.t.Helper()
	p.until(func() bool {
		read, err := os.ReadFile(filepath.Join(dir, name))
		text = string(read)
		return err == nil && text != ""
	}, func() string { return name + " is not downloaded" })
	return text
}

// picture saves a screenshot.
func (p *person) picture(name string) {
	var image []byte
	ctx, stop := context.WithTimeout(p.ctx, modeltest.Patience)
	defer stop()
	if err := chromedp.Run(ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		image, err = page.CaptureScreenshot().Do(ctx)
		return err
	})); err != nil {
		p.t.Log("no screenshot: ", err)
		return
	}
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		p.t.Log(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, name+".png"), image, 0o644); err != nil {
		p.t.Log(err)
	}
}

// looks shows the page in light and dark, wide and narrow, and checks each with axe. The long tests also save a screenshot of
// each.
func (p *person) looks(name string) {
	p.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1440, 390} {
			p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				emulation.SetDeviceMetricsOverride(width, map[int64]int64{1440: 900, 390: 844}[width], 1, false))
			p.do(chromedp.Evaluate(`Promise.allSettled(document.getAnimations().map((a) => a.finished)).then(() => 0)`, nil, awaited)) // transitions
			if modeltest.Long() {
				p.picture(fmt.Sprint(name, "-", scheme, "-", width))
			}
			p.axe(fmt.Sprint(name, " ", scheme, " ", width))
			var cut []string
			p.do(chromedp.Evaluate(`[...document.querySelectorAll("td .chip, th .chip")].filter((c) => c.checkVisibility() && c.getBoundingClientRect().right > c.closest("td, th").getBoundingClientRect().right + 1).map((c) => c.textContent)`, &cut))
			if len(cut) > 0 {
				p.t.Errorf("%s %d: cut off: %q", name, width, cut)
			}
			if width == 390 {
				var over bool
				p.do(chromedp.Evaluate(`document.documentElement.scrollWidth > innerWidth + 1`, &over))
				if over {
					p.t.Errorf("%s is wider than a narrow window", name)
				}
			}
		}
	}
	p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}),
		emulation.SetDeviceMetricsOverride(1440, 900, 1, false))
}

// axeScript returns axe-core, which checks accessibility.
var axeScript = sync.OnceValues(func() (string, error) {
	const dir = "../../bin/axe"
	file := filepath.Join(dir, "node_modules/axe-core/axe.min.js")
	if _, err := os.Stat(file); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", dir, "axe-core@4.10.3").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("npm install axe-core: %w: %s", err, out)
		}
	}
	text, err := os.ReadFile(file)
	return string(text), err
})

// awaited makes the evaluation wait for the promise of an expression.
func awaited(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }

func (p *person) axe(where string) {
	p.t.Helper()
	script, err := axeScript()
	if err != nil {
		p.t.Fatal(err)
	}
	var found []string
	there := false
	if p.do(chromedp.Evaluate(`"axe" in window`, &there)); !there {
		p.do(chromedp.Evaluate(script+";0", nil))
	}
	p.do(chromedp.Evaluate(`axe.run(document, {resultTypes: ["violations"]}).then((r) =>
		r.violations.map((v) => v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join(" | ")))`,
		&found, awaited))
	for _, f := range found {
		p.t.Errorf("%s: %s", where, f)
	}
}
