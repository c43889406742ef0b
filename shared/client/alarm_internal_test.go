package client

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestManyAlarmsRingAtOnce: with a timer that is set to the time that has come, the race detector
// ends the process here.
func TestManyAlarmsRingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var loops sync.WaitGroup
		for range 16 {
			loops.Go(func() {
				alarm := newAlarm()
				defer alarm.Stop()
				for range 2_000 {
					<-alarm.at(began)
				}
				<-alarm.at(began.Add(time.Second))
				if waited := time.Since(began); waited != time.Second {
					t.Errorf("an alarm of a second later rang after %v", waited)
				}
			})
		}
		loops.Wait()
	})
}
