// Writes the table that the schedule tests compare our cron reader with: what robfig/cron, the library of Kubernetes'
// CronJob controller, answers for a few thousand schedules. Deterministic: the seed is fixed.
//
//	go run . > table.tsv
//
// A line: schedule, time zone, an instant, and the next instants at which a run is due (RFC 3339, UTC, space-separated).
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	schedules = 3000
	answers   = 2
)

var random = rand.New(rand.NewSource(20260504))

type column struct {
	low, high int
	words     []string
}

var columns = []column{
	{0, 59, nil},
	{0, 23, nil},
	{1, 31, nil},
	{1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// Both clock changes of each zone in 2026: the instants begin in the two days around them.
var zones = map[string][]string{
	"Etc/UTC":            {"2026-02-28T12:00:00Z", "2027-12-31T12:00:00Z"},
	"Europe/Berlin":      {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"},
	"America/New_York":   {"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"},
	"Australia/Adelaide": {"2026-04-04T16:30:00Z", "2026-10-03T16:30:00Z"},
	"America/St_Johns":   {"2026-03-08T05:30:00Z", "2026-11-01T04:30:00Z"},
	"Asia/Kathmandu":     {"2026-05-04T00:00:00Z", "2026-12-31T18:15:00Z"},
}

var names = []string{
	"Etc/UTC", "Europe/Berlin", "America/New_York", "Australia/Adelaide", "America/St_Johns", "Asia/Kathmandu",
}

func (c column) value(number int) string {
	if c.words != nil && random.Intn(3) == 0 {
		word := c.words[number-c.low]
		if random.Intn(2) == 0 {
			return strings.ToUpper(word)
		}
		return word
	}
	if random.Intn(8) == 0 {
		return fmt.Sprintf("%02d", number)
	}
	return fmt.Sprint(number)
}

func (c column) item() string {
	first := c.low + random.Intn(c.high-c.low+1)
	last := first + random.Intn(c.high-first+1)
	step := fmt.Sprintf("/%d", 1+random.Intn(c.high-c.low))
	switch random.Intn(7) {
	case 0:
		return "*"
	case 1:
		return "*" + step
	case 2:
		return c.value(first) + "-" + c.value(last)
	case 3:
		return c.value(first) + "-" + c.value(last) + step
	case 4:
		return c.value(first) + step
	default:
		return c.value(first)
	}
}

func (c column) text(everything int) string {
	if random.Intn(100) < everything {
		return "*"
	}
	items := []string{c.item()}
	for random.Intn(3) == 0 {
		items = append(items, c.item())
	}
	return strings.Join(items, ",")
}

func schedule() string {
	texts := make([]string, len(columns))
	for at, c := range columns {
		texts[at] = c.text([]int{10, 35, 60, 70, 60}[at]) // or runs would be years apart
	}
	return strings.Join(texts, " ")
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for number := 0; number < schedules; {
		text, zone := schedule(), names[random.Intn(len(names))]
		place, err := time.LoadLocation(zone)
		check(err)
		around, err := time.Parse(time.RFC3339, zones[zone][random.Intn(2)])
		check(err)
		after := around.Add(time.Duration(random.Intn(48*3600)-24*3600) * time.Second)
		parsed, err := cron.ParseStandard("TZ=" + zone + " " + text) // as the CronJob controller does
		check(err)
		due, next := []string{}, after.In(place)
		for len(due) < answers {
			if next = parsed.Next(next); next.IsZero() {
				break
			}
			due = append(due, next.UTC().Format(time.RFC3339))
		}
		if len(due) < answers || len(text) > 100 { // never comes, or longer than a schedule may be
			continue
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", text, zone, after.Format(time.RFC3339), strings.Join(due, " "))
		number++
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
