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
	{Name: "dryRun", Kind: object.Boolean, When: object.OnCreate, Column: "-",
		About: "reports what would be done, with the first rows as they were read, and stores nothing"},
}})

// CSV is a CSV parameter.
type CSV struct {
	Text   string
	Ignore []string // columns to ignore
	DryRun bool     // nothing is stored
}

// Read returns the CSV file in the arguments.
func (a *CSVArgs) Read() (csv CSV, err error) {
	d, err := csvAttrs.Decode("attrs", a.Attrs, object.OnCreate)
	if err != nil {
		return csv, err
	}
	text, _ := object.Given[string](d, "csv")
	charset, _ := object.Given[string](d, "charset")
	ignored, _ := object.Given[model.List](d, "ignore")
	csv.Ignore = ignored.Items()
	csv.DryRun, _ = object.Given[bool](d, "dryRun")
	csv.Text, err = FileText("attrs.csv", text, charset)
	return csv, err
}

// Preview shows the first rows of a file as they were read. They tell whether the file was decoded as it was meant.
type Preview struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// PreviewRows is the number of rows of a Preview.
const PreviewRows = 5

// HiddenField is what a Preview contains in place of a secret.
const HiddenField = "…"

// FileText returns the decoded text of a file at a place.
func FileText(place, text, charset string) (string, error) {
	text, err := seedfile.Decode(text, charset)
	if err == nil {
		err = wire.NoNUL(place, text)
	}
	return text, err
}
