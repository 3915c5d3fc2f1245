package object

import (
	"strconv"

	"tokensmith/model"
)

// NameFault is a text of an object that the rule of its attribute would now refuse. The object can still be selected by its id,
// to change the text or to delete the object.
type NameFault struct {
	Object, ID, Attribute string
	Text                  string // quoted, with invisible characters as escapes; "" if it may be a seed
	Reason                string
}

// Fault returns why the attribute's rule would refuse or change a text; "" if it would not.
func (a *Attr) Fault(text string) string {
	clean, reason := a.Rule.Clean(text)
	if reason == "" && a.Refuses != nil {
		reason = a.Refuses(text)
	}
	switch {
	case reason != "":
		return reason
	case clean == text:
		return ""
	case model.Trim(text) != text:
		return "begins or ends with white space"
	}
	return "would be stored in another form: " + strconv.QuoteToASCII(clean)
}

// QuotedName returns a refused text for a message; "" if it may be a seed.
func QuotedName(text string) string {
	if model.MayBeSeed(text) {
		return ""
	}
	return strconv.QuoteToASCII(text)
}
