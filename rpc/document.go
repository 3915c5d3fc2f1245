package rpc

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// MethodTable gives the table of methods in Markdown, a row a method.
func (d *Docs) MethodTable() string {
	var b strings.Builder
	b.WriteString("| method | does |\n|---|---|\n")
	for _, m := range d.table {
		about := m.about
		if m.reveals {
			about += " Reveals a secret."
		}
		if m.device {
			about += " Called by the device, which needs no agent."
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", m.path, about)
	}
	return b.String()
}

// ErrorTable gives the table of codes in Markdown, a row a code.
func ErrorTable() string {
	var b strings.Builder
	b.WriteString("| code | meaning | HTTP status |\n|---|---|---|\n")
	for _, e := range Errors() {
		status := ""
		if e.Status != http.StatusOK {
			status = strconv.Itoa(e.Status)
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", e.Code, e.Meaning, status)
	}
	return b.String()
}

// AttributeTables gives every object's attributes in Markdown, from the declarations.
func (d *Docs) AttributeTables() string {
	var b strings.Builder
	for _, o := range d.declared() {
		title := o.name
		if o.table == "" {
			title = "`attrs` of " + o.name
		}
		fmt.Fprintf(&b, "**%s**\n\n| attribute | type | given | notes |\n|---|---|---|---|\n", title)
		for i := range o.attrs {
			a := &o.attrs[i]
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.name, a.typeName(), o.whenGiven(a), strings.Join(a.notes(), "; "))
		}
		for _, c := range o.colls {
			notes := "collection"
			if c.about != "" {
				notes += ": " + c.about
			}
			given := "read-only"
			if c.when == always {
				given = "create, set"
				notes += "; an array of names or selectors"
			}
			fmt.Fprintf(&b, "| `%s` | %ss | %s | %s |\n", c.name, c.object, given, notes)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// declared lists the declarations in the order of the methods that they belong to.
func (d *Docs) declared() (list []*object) {
	add := func(o *object) {
		if o != nil && !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	for i := range d.table {
		name, _, _ := strings.Cut(d.table[i].path, "/")
		add(objects[name])
		add(arguments[d.table[i].path])
		add(rowsOf[d.table[i].path])
	}
	return list
}

func (a *attr) typeName() string {
	switch a.kind {
	case integer:
		return "integer"
	case boolean:
		return "boolean"
	case date:
		return "date"
	case enum:
		return strings.Join(a.values, ", ")
	case list:
		return "list"
	case ref:
		return a.object
	}
	return "string"
}

func (o *object) whenGiven(a *attr) string {
	switch {
	case o.table == "" && a.required:
		return "required"
	case o.table == "":
		return ""
	case a.when == readOnly:
		return "read-only"
	case a.when == onSet:
		return "set"
	case a.required:
		return map[when]string{onCreate: "create, required", always: "create (required), set"}[a.when]
	case a.when == onCreate:
		return "create"
	}
	return "create, set"
}

func (a *attr) notes() []string {
	var notes []string
	if a.about != "" {
		notes = append(notes, a.about)
	}
	if a.initial != nil {
		notes = append(notes, fmt.Sprintf("%v if not given", a.initial))
	}
	if a.kind == secret {
		notes = append(notes, "never given back")
	}
	if a.indexed {
		notes = append(notes, "indexed")
	}
	return notes
}
