package model

import (
	"slices"
	"strings"
)

// List is a list of short texts without commas, stored as one comma-separated text.
type List string

// ListOf returns a List of items.
func ListOf(items []string) List { return List(strings.Join(items, ",")) }

// Items returns the items of the list. For an empty list it returns an empty slice, not nil.
func (l List) Items() []string {
	if l == "" {
		return []string{}
	}
	return strings.Split(string(l), ",")
}

// Has returns whether an item is in the list.
func (l List) Has(item string) bool { return slices.Contains(l.Items(), item) }
