package model

import (
	"slices"
	"strings"
)

// List is a list of short texts without commas, kept as one comma-separated text.
type List string

// ListOf joins items.
func ListOf(items []string) List { return List(strings.Join(items, ",")) }

// Items splits the list; none gives an empty slice.
func (l List) Items() []string {
	if l == "" {
		return []string{}
	}
	return strings.Split(string(l), ",")
}

// Has says whether an item is in the list.
func (l List) Has(item string) bool { return slices.Contains(l.Items(), item) }
