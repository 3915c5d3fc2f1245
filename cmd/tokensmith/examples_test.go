package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// chapters returns the text of chapters of documents. An argument that ends in ".md" names the document for the chapters after
// it, relative to this folder. A chapter goes from its heading to the next one of the same level.
func chapters(ts *testscript.TestScript, args []string) string {
	file := "README.md"
	var all, document string
	for _, arg := range args {
		if strings.HasSuffix(arg, ".md") {
			file, document = arg, ""
			continue
		}
		if document == "" {
			text, err := os.ReadFile(file)
			ts.Check(err)
			document = "\n" + string(text)
		}
		_, rest, found := strings.Cut(document, "\n## "+arg+"\n")
		if !found { // the text directly after the title
			_, rest, found = strings.Cut(document, "\n# "+arg+"\n")
		}
		if !found {
			ts.Fatalf("%s has no chapter %q", file, arg)
		}
		chapter, _, _ := strings.Cut(rest, "\n## ")
		all += chapter + "\n\n"
	}
	if all == "" {
		ts.Fatalf("no chapter is named")
	}
	return all
}

// here replaces addresses and programs in documents by those of the script.
func here(ts *testscript.TestScript) *strings.Replacer {
	return strings.NewReplacer("http://127.0.0.1:8070", ts.Getenv("URL"), "bin/tokensmith", "tokensmith")
}

// fits returns whether an output is what a document says. "..." in the document matches any text.
func fits(got, said string) bool {
	want := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(said)), `\.\.\.`, ".*")
	return regexp.MustCompile("(?s)^" + want + "$").MatchString(strings.TrimSpace(strings.ReplaceAll(got, "\r\n", "\n")))
}

// step is one command in a document and the output that the document shows.
type step struct{ command, prints string }

// steps returns the commands in a text: indented lines that begin with "$ ", each with its output.
func steps(text string) (all []step) {
	for line := range strings.Lines(text) {
		code, indented := strings.CutPrefix(line, "    ")
		last := len(all) - 1
		switch {
		case !indented:
			if last >= 0 && all[last].command != "" {
				all = append(all, step{})
			}
		case strings.HasPrefix(code, "$ "):
			all = append(all, step{command: code[2:]})
		case last >= 0 && unfinished(all[last]):
			all[last].command += code
		case last >= 0 && all[last].command != "":
			all[last].prints += code
		}
	}
	return all
}

// unfinished returns whether a command continues in the next line: after a backslash or a bar, or inside single quotes.
func unfinished(s step) bool {
	return s.prints == "" && (strings.HasSuffix(s.command, "\\\n") || strings.HasSuffix(s.command, "|\n") || strings.Count(s.command, "'")%2 == 1)
}

// tourFunction returns the lines of the README's tour that define the shell function "call", which other documents use.
func tourFunction(ts *testscript.TestScript) string {
	found := regexp.MustCompile(`(?m)^    ((who=|call\(\)).*\n)`).FindAllStringSubmatch(here(ts).Replace(chapters(ts, []string{"../../README.md", "From seeds to a synchronised token"})), -1)
	if len(found) != 2 {
		ts.Fatalf("the tour does not make the shell function call")
	}
	return found[0][1] + found[1][1]
}

// readme runs the commands of chapters in one shell, except the server itself, which is running already, and streams, which do
// not end.
func readme(ts *testscript.TestScript, _ bool, args []string) {
	const end = "--- end of step"
	var script strings.Builder
	var run []step
	text := here(ts).Replace(chapters(ts, args))
	if strings.Contains(text, "    $ call ") || strings.Contains(text, "| call ") {
		script.WriteString(tourFunction(ts))
	}
	for _, s := range steps(text) {
		if s.command == "" || strings.HasPrefix(s.command, "tokensmith serve") || strings.HasPrefix(s.command, "curl -N ") {
			continue
		}
		run = append(run, s)
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", strings.TrimSuffix(s.command, "\n"), end)
	}
	if len(run) == 0 {
		ts.Fatalf("%q have no commands", args)
	}
	cmd := exec.Command("sh", "-e")
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "URL="+ts.Getenv("URL")+"/das5/rest", "PATH="+ts.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("%q: %v\n%s", args, err, out)
	}
	parts := strings.Split(string(out), end+"\n")
	for i, s := range run {
		if s.prints != "" && !fits(parts[i], s.prints) {
			ts.Fatalf("%q: $ %s\nprints:\n%s\nnot:\n%s", args, s.command, parts[i], s.prints)
		}
	}
}

// paste pastes chapters into an interactive bash line by line. It changes only the address and the program. The output that a
// line must print is in the lines after it that begin with "# ".
func paste(ts *testscript.TestScript, _ bool, args []string) {
	const end = "--- end of line"
	var lines strings.Builder
	var typed, prints []string
	for line := range strings.Lines(here(ts).Replace(chapters(ts, args))) {
		code, indented := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    ")
		if !indented {
			continue
		}
		if out, is := strings.CutPrefix(code, "# "); is {
			prints[len(prints)-1] = out
			continue
		}
		typed, prints = append(typed, code), append(prints, "")
		fmt.Fprintf(&lines, "    %s\necho '%s'\n", code, end)
	}
	cmd := exec.Command("bash", "--noprofile", "--norc", "-i")
	cmd.Stdin = strings.NewReader(lines.String())
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("%q: %v\n%s\n%s", args, err, out, &complaints)
	}
	parts := strings.Split(string(out), end+"\n")
	for i, line := range typed {
		if !fits(parts[i], prints[i]) {
			ts.Fatalf("%q: %s\nprints:\n%s\nnot:\n%s\n%s", args, line, parts[i], prints[i], &complaints)
		}
	}
}
