package rpc

import (
	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// CSVArgs are the parameters of methods that take a CSV file.
type CSVArgs struct {
	Attrs Members `json:"attrs"`
}

var csvAttrs = declare(&object{name: "batch", of: []string{"token/batchAssignTokens", "user/import"}, attrs: []attr{
	{name: "csv", kind: text, raw: true, when: onCreate, required: true, max: LargeBody, column: "-", about: "the file's text"},
	{name: "charset", kind: text, when: onCreate, max: 64, column: "-", about: "of bytes sent as characters; UTF-8 if not given; `auto` goes by their byte order mark, or UTF-8"},
	{name: "ignore", kind: list, when: onCreate, column: "-", about: "columns that are not known and may be passed over"},
}})

// csvText gives the text of a CSV parameter, and the columns of it that are to be ignored.
func csvText(m Members) (text string, ignore []string, err error) {
	d, err := csvAttrs.decode("attrs", m, onCreate)
	if err != nil {
		return "", nil, err
	}
	csv, _ := given[string](d, "csv")
	charset, _ := given[string](d, "charset")
	ignored, _ := given[model.List](d, "ignore")
	text, err = fileText("attrs.csv", csv, charset)
	return text, ignored.Items(), err
}

// fileText gives the text of a file at a place, decoded.
func fileText(place, text, charset string) (string, error) {
	text, err := seedfile.Decode(text, charset)
	if err == nil {
		err = noNUL(place, text)
	}
	return text, err
}
