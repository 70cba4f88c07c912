/* The colours that the person chose, before the page is painted. */

const theme = localStorage.getItem("meshmesh-theme");
if (theme) document.documentElement.dataset.theme = theme;
