package apidoc

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
)

// MethodTable returns the table of methods in Markdown, with one row for each method.
func (d *Docs) MethodTable() string {
	var b strings.Builder
	b.WriteString("| method | does |\n|---|---|\n")
	for _, m := range d.table {
		about := m.About
		if m.Reveals {
			about += " Reveals a secret."
		}
		if m.Device {
			about += " Called by the device; needs no agent."
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", m.Path, about)
	}
	return b.String()
}

// ErrorTable returns the table of error codes in Markdown, with one row for each code.
func ErrorTable() string {
	var b strings.Builder
	b.WriteString("| code | meaning | HTTP status |\n|---|---|---|\n")
	for _, e := range wire.Errors() {
		status := ""
		if e.Status != http.StatusOK {
			status = strconv.Itoa(e.Status)
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", e.Code, e.Meaning, status)
	}
	return b.String()
}

// AttributeTables returns the attributes of all objects in Markdown, from the declarations.
func (d *Docs) AttributeTables() string {
	var b strings.Builder
	for _, o := range d.declared() {
		title := o.Name
		if o.Table == "" {
			title = "`attrs` of " + o.Name
		}
		fmt.Fprintf(&b, "**%s**\n\n| attribute | type | given | notes |\n|---|---|---|---|\n", title)
		for i := range o.Attrs {
			a := &o.Attrs[i]
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.Name, typeName(a), whenGiven(o, a), strings.Join(notes(a), "; "))
		}
		for _, c := range o.Collections {
			notes := "collection"
			if c.About != "" {
				notes += ": " + c.About
			}
			given := "read-only"
			if c.When == object.Always {
				given = "create, set"
				notes += "; an array of names or selectors"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Name, plural(c.Object), given, notes)
		}
		for _, name := range o.EmptyCollections {
			fmt.Fprintf(&b, "| `%s` | none | read-only | collection; not kept by this server: always empty |\n", name)
		}
		for _, name := range o.EmptyTexts {
			fmt.Fprintf(&b, "| `%s` | none | read-only | not kept by this server: always null |\n", name)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// declared returns the declarations in the order of the methods that they belong to.
func (d *Docs) declared() (list []*object.Type) {
	add := func(o *object.Type) {
		if o != nil && !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	for i := range d.table {
		name, _, _ := strings.Cut(d.table[i].Path, "/")
		add(object.Types[name])
		add(object.Arguments[d.table[i].Path])
		add(object.RowsOf[d.table[i].Path])
	}
	return list
}

// plural returns the name of several objects.
func plural(object string) string {
	if strings.HasSuffix(object, "s") {
		return object + "es"
	}
	return object + "s"
}

func typeName(a *object.Attr) string {
	switch a.Kind {
	case object.Integer:
		return "integer"
	case object.Boolean:
		return "boolean"
	case object.Date:
		return "date"
	case object.Enum:
		return strings.Join(a.Values, ", ")
	case object.List:
		return "list"
	case object.Ref:
		return a.Object
	}
	return "string"
}

func whenGiven(o *object.Type, a *object.Attr) string {
	switch {
	case o.Table == "" && a.Required:
		return "required"
	case o.Table == "":
		return ""
	case a.When == object.ReadOnly:
		return "read-only"
	case a.When == object.OnSet:
		return "set"
	case a.Required:
		return map[object.When]string{object.OnCreate: "create, required", object.Always: "create (required), set"}[a.When]
	case a.When == object.OnCreate:
		return "create"
	}
	return "create, set"
}

func notes(a *object.Attr) []string {
	var notes []string
	if a.About != "" {
		notes = append(notes, a.About)
	}
	if a.Initial != nil {
		notes = append(notes, fmt.Sprintf("%v if not given", a.Initial))
	}
	if a.Kind == object.Secret {
		notes = append(notes, "never given back")
	}
	if a.Indexed {
		notes = append(notes, "indexed")
	}
	return notes
}
