// The page takes moment and FullCalendar from public networks, which no test can reach. As little of both as it uses:
// a calendar that shows no days (today is chosen by the page itself) and dates written as YYYY-MM-DD.
const written = (date, zone) => new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" }).format(date);
const wrapped = (date, zone) => ({ format: () => written(date, zone), toDate: () => date });
window.moment = (date) => wrapped(date);
window.moment.tz = (...given) => {
  const zone = given.pop();
  return wrapped(given.length ? new Date(`${given[0]}T12:00:00Z`) : new Date(), zone);
};
window.FullCalendar = { Calendar: class { render() {} gotoDate() {} setOption() {} } };
