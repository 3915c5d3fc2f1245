package rpc

import (
	"tokensmith/model/seedfile"
)

// CSVArgs are the parameters of methods that take a CSV file.
type CSVArgs struct {
	Attrs Members `json:"attrs"`
}

var csvAttrs = declare(&object{name: "batch", of: []string{"token/batchAssignTokens", "user/import"}, attrs: []attr{
	{name: "csv", kind: text, when: onCreate, required: true, max: LargeBody, column: "-", about: "the file's text"},
	{name: "charset", kind: text, when: onCreate, max: 64, column: "-", about: "of bytes sent as characters; UTF-8 if not given"},
}})

// csvText gives the text of a CSV parameter.
func csvText(m Members) (string, error) {
	d, err := csvAttrs.decode("attrs", m, onCreate)
	if err != nil {
		return "", err
	}
	csv, _ := given[string](d, "csv")
	charset, _ := given[string](d, "charset")
	return seedfile.Decode(csv, charset)
}
