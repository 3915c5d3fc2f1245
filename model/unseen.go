package model

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// Invisible characters are allowed in a name only where a script needs them because they change how the character before them
// looks. Anywhere else they could make two names look the same.

// Unseen returns whether a character has no visible form of its own: zero-width characters, line and paragraph separators,
// changes of the writing direction, and placeholders for objects.
func Unseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) ||
		r == 0x2800 || r == 0xfffc
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	graphemeJoiner     = '\u034f'
	keycap             = '\u20e3'
	blackFlag          = '\U0001f3f4'
	tagEnd             = '\U000e007f'
	maxFlagTags        = 6 // longest tag of a region's flag, such as gbeng
)

// joining lists the scripts in which joiners decide how a letter looks, both between two letters and at the end of a word.
var joining = []*unicode.RangeTable{unicode.Arabic, unicode.Syriac, unicode.Mandaic, unicode.Mongolian, unicode.Nko, unicode.Phags_Pa, unicode.Adlam,
	unicode.Hanifi_Rohingya, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu,
	unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar}

// varied lists the scripts whose characters have variants, as symbols do.
var varied = []*unicode.RangeTable{unicode.Han, unicode.Mongolian, unicode.Myanmar, unicode.Phags_Pa}

// misplaced returns the first invisible character of a name, in NFC, that is not allowed at its place.
func misplaced(s string) (misplaced rune, found bool) {
	joiner := false // there is a joiner for which only the rules of RFC 8264 can decide
	for i, r := range s {
		if !Unseen(r) || belongs(s[:i], r, s[i+utf8.RuneLen(r):]) {
			continue
		}
		if r != zeroWidthNonJoiner && r != zeroWidthJoiner {
			return r, true
		}
		joiner, misplaced = true, r
	}
	if joiner {
		_, err := freeform.String(s)
		return misplaced, err != nil
	}
	return 0, false
}

var freeform = precis.NewFreeform()

// belongs returns whether an invisible character changes how the character before it looks.
func belongs(before string, r rune, behind string) bool {
	if before == "" {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(behind)
	switch {
	case r == zeroWidthJoiner && isEmoji(next):
		return isEmoji(lastSeen(before))
	case r == zeroWidthJoiner, r == zeroWidthNonJoiner:
		return last != zeroWidthJoiner && last != zeroWidthNonJoiner && unicode.In(lastSeen(before), joining...)
	case r == graphemeJoiner:
		return unicode.Is(unicode.Hebrew, last)
	case 0x180b <= r && r <= 0x180d, r == 0x180f:
		return unicode.Is(unicode.Mongolian, last)
	case 0xe0100 <= r && r <= 0xe01ef:
		return unicode.Is(unicode.Han, last)
	case unicode.Is(unicode.Variation_Selector, r):
		// ‼, ⁉, ℹ and 〰 can be emojis, and so can the digits, # and * before a keycap character.
		return isEmoji(last) || unicode.In(last, varied...) || strings.ContainsRune("‼⁉ℹ〰", last) || next == keycap && strings.ContainsRune("0123456789#*", last)
	case 0xe0020 <= r && r <= tagEnd:
		return ofFlag(before, r, behind)
	}
	return false
}

// lastSeen returns the last visible character of a text, ignoring combining marks and skin tones; 0 if there is none.
func lastSeen(s string) rune {
	for s != "" {
		r, size := utf8.DecodeLastRuneInString(s)
		if !unicode.In(r, unicode.Variation_Selector, unicode.Inherited) && (r < 0x1f3fb || 0x1f3ff < r) {
			return r
		}
		s = s[:len(s)-size]
	}
	return 0
}

// isEmoji returns whether a character may be an emoji: a symbol, such as an arrow.
func isEmoji(r rune) bool {
	return r > unicode.MaxASCII && r != utf8.RuneError && unicode.In(r, unicode.So, unicode.Sm)
}

// ofFlag returns whether a tag character is part of the tags after a black flag that make it the flag of a region.
func ofFlag(before string, r rune, behind string) bool {
	isTag := func(r rune) bool {
		c := r - 0xe0000
		return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
	}
	flag := strings.TrimRightFunc(before, isTag)
	tags := before[len(flag):] + string(r) + behind
	rest := strings.TrimLeftFunc(tags, isTag)
	n := utf8.RuneCountInString(tags) - utf8.RuneCountInString(rest)
	last, _ := utf8.DecodeLastRuneInString(flag)
	end, _ := utf8.DecodeRuneInString(rest)
	return last == blackFlag && end == tagEnd && 0 < n && n <= maxFlagTags
}
