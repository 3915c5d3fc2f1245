package rpc

import (
	"mime"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"tokensmith/model"
)

// decodeCharset turns a body into UTF-8 by the charset its content type names; none means UTF-8. The type itself does
// not matter: old clients send JSON as text, as a form, or as nothing.
func decodeCharset(body []byte, contentType string) ([]byte, error) {
	if !strings.Contains(contentType, ";") { // which sets parameters off
		return body, nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	label := strings.TrimSpace(params["charset"])
	if err != nil || label == "" || strings.EqualFold(label, "utf-8") || strings.EqualFold(label, "utf8") {
		return body, nil
	}
	enc := charset(label)
	if enc == nil {
		return nil, model.Errorf(model.Unreadable, "the charset %s of the request is not known", strconv.Quote(label))
	}
	decoded, err := enc.NewDecoder().Bytes(body)
	if err != nil {
		return nil, &model.Error{Kind: model.Unreadable, Msg: "the request is not in the charset it names", Err: err}
	}
	return decoded, nil
}

// charset finds an encoding by its MIME name or an alias of the web's; nil when it is not known.
func charset(label string) encoding.Encoding {
	if enc, err := ianaindex.MIME.Encoding(label); err == nil && enc != nil {
		return enc
	}
	enc, err := htmlindex.Get(label)
	if err != nil {
		return nil
	}
	return enc
}
