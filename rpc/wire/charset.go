package wire

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// DecodeCharset converts a body to UTF-8. The encoding is that of the byte order mark or of the charset in the content type; the
// default is UTF-8. The media type is ignored, because old clients send JSON as text, as a form, or without a type.
func DecodeCharset(body []byte, contentType string) ([]byte, error) {
	if bytes.HasPrefix(body, []byte("\xff\xfe\x00\x00")) || bytes.HasPrefix(body, []byte("\x00\x00\xfe\xff")) {
		return nil, model.Errorf(model.Unreadable, "the request is in UTF-32, which is not supported: send UTF-8 or UTF-16")
	}
	if bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff")) {
		contentType = "text/plain; charset=utf-16"
	}
	if !strings.Contains(contentType, ";") { // without a semicolon there are no parameters
		return body, nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	label := strings.TrimSpace(params["charset"])
	if err != nil || label == "" || strings.EqualFold(label, "utf-8") || strings.EqualFold(label, "utf8") {
		return body, nil
	}
	enc := seedfile.Charset(label)
	if enc == nil {
		return nil, model.Errorf(model.Unreadable, "the charset %s of the request is not known", strconv.Quote(label))
	}
	decoded, line, ok := seedfile.DecodeBytes(body, enc)
	if !ok {
		return nil, model.Errorf(model.Unreadable, "line %d: the request is not in the charset it names", max(1, line))
	}
	return decoded, nil
}

// PlainBody returns an error if a body is compressed or has another Content-Encoding; else nil.
func PlainBody(r *http.Request) *model.Error {
	for _, value := range r.Header.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return model.Errorf(model.Unreadable, "the request's Content-Encoding %s is not supported: send the body as it is", strconv.Quote(coding))
			}
		}
	}
	return nil
}
