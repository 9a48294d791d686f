// ARMA(1, 1): the value before the first is replaced by mu, its shock by 0.
data {
  int<lower=1> T;
  vector[T] y;
}
parameters {
  real mu;
  real phi;
  real theta;
  real<lower=0> sigma;
}
model {
  vector[T] prediction;
  vector[T] shock;
  prediction[1] = mu + phi * mu;
  shock[1] = y[1] - prediction[1];
  for (t in 2 : T) {
    prediction[t] = mu + phi * y[t - 1] + theta * shock[t - 1];
    shock[t] = y[t] - prediction[t];
  }
  mu ~ normal(0, 10);
  phi ~ normal(0, 2);
  theta ~ normal(0, 2);
  sigma ~ cauchy(0, 2.5);
  shock ~ normal(0, sigma);
}
