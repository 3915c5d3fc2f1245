package wire

import (
	"fmt"
)

// maxNotes is how many notes a reply lists. Further ones are counted.
const maxNotes = 100

// Notes collects statements about parts of a file that were not used. Each sentence is kept once.
type Notes struct {
	index map[string]int
	said  []noteOf
	more  int
}

type noteOf struct {
	text   string
	serial string // serial number of the first token it applies to; "" if it applies to the file
	others int    // how many other tokens it applies to
}

// Add adds a sentence about the token with a serial number.
func (n *Notes) Add(text, serial string) {
	if i, ok := n.index[text]; ok {
		n.said[i].others++
		return
	}
	if len(n.said) == maxNotes {
		n.more++
		return
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[text] = len(n.said)
	n.said = append(n.said, noteOf{text: text, serial: serial})
}

// File adds sentences about the file as a whole.
func (n *Notes) File(texts []string) {
	for _, t := range texts {
		n.Add(t, "")
	}
}

// List returns the notes as sentences; nil if there are none.
func (n *Notes) List() []string {
	var out []string
	for _, s := range n.said {
		switch {
		case s.serial == "":
			out = append(out, s.text)
		case s.others == 0:
			out = append(out, fmt.Sprintf("%s (token %s)", s.text, s.serial))
		default:
			out = append(out, fmt.Sprintf("%s (token %s and %d more)", s.text, s.serial, s.others))
		}
	}
	if n.more > 0 {
		out = append(out, fmt.Sprintf("and %d more", n.more))
	}
	return out
}
