package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress shows the progress of a long command: a moving bar on a terminal, or else one line for each step.
type progress struct {
	w        io.Writer
	terminal bool
	shown    bool // there is a bar on the current line
	from     int  // how much was done before this run
	began    time.Time
	drawn    time.Time
}

const (
	barWidth = 30
	barEvery = 100 * time.Millisecond
)

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			p.terminal = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return p
}

// start starts to measure the speed.
func (p *progress) start() { p.began, p.drawn = time.Now(), time.Time{} }

// bytes shows how much of a file has been read, only on a terminal.
func (p *progress) bytes(verb string, done, all int64) {
	if p.terminal && time.Since(p.drawn) >= barEvery {
		p.draw(verb, done, all, fmt.Sprintf("%d of %d MB", done>>20, all>>20))
	}
}

// rows shows how many rows are done.
func (p *progress) rows(verb string, done, all int) {
	text := fmt.Sprintf("%d of %d tokens, %.0f/s", done, all, float64(done)/max(time.Since(p.began).Seconds(), 0.001))
	if p.terminal {
		p.draw(verb, int64(done), int64(all), text)
		return
	}
	fmt.Fprintf(p.w, "%s: %s\n", verb, text)
}

// calls shows how many calls are done, at what rate, and the remaining time, only on a terminal.
func (p *progress) calls(done, all, refused int) {
	if !p.terminal || time.Since(p.drawn) < barEvery {
		return
	}
	rate := float64(done-p.from) / max(time.Since(p.began).Seconds(), 0.001)
	left := time.Duration(float64(all-done) / max(rate, 0.001) * float64(time.Second))
	p.draw("calling", int64(done), int64(all), fmt.Sprintf("%d of %d calls, %d refused, %.0f/s, %s left", done, all, refused, rate, left.Round(time.Second)))
}

func (p *progress) draw(verb string, done, all int64, text string) {
	p.drawn, p.shown = time.Now(), true
	done = min(done, all)
	full := int(done * barWidth / max(all, 1))
	fmt.Fprintf(p.w, "\r%s [%s%s] %3d%%  %s\x1b[K", verb, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done*100/max(all, 1), text)
}

// clear removes the bar from the line.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
