package people

import (
	"tokensmith/model"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
)

// CSVArgs are the parameters of methods that take a CSV file.
type CSVArgs struct {
	Attrs wire.Members `json:"attrs"`
}

var csvAttrs = object.Declare(&object.Type{Name: "batch", Of: []string{"token/batchAssignTokens", "user/import"}, Attrs: []object.Attr{
	{Name: "csv", Kind: object.Text, Raw: true, When: object.OnCreate, Required: true, Max: dispatch.LargeBody, Column: "-",
		About: "the file's text"},
	{Name: "charset", Kind: object.Text, When: object.OnCreate, Max: 64, Column: "-",
		About: "if the file's bytes were sent as one character each; UTF-8 if not given; `auto` = as the file itself says, or else UTF-8"},
	{Name: "ignore", Kind: object.List, When: object.OnCreate, Column: "-", About: "unknown columns to ignore"},
}})

// CSVText returns the text of a CSV parameter, and its columns that are to be ignored.
func CSVText(m wire.Members) (text string, ignore []string, err error) {
	d, err := csvAttrs.Decode("attrs", m, object.OnCreate)
	if err != nil {
		return "", nil, err
	}
	csv, _ := object.Given[string](d, "csv")
	charset, _ := object.Given[string](d, "charset")
	ignored, _ := object.Given[model.List](d, "ignore")
	text, err = FileText("attrs.csv", csv, charset)
	return text, ignored.Items(), err
}

// FileText returns the decoded text of a file at a place.
func FileText(place, text, charset string) (string, error) {
	text, err := seedfile.Decode(text, charset)
	if err == nil {
		err = wire.NoNUL(place, text)
	}
	return text, err
}
