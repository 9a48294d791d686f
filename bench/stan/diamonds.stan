// Log prices of diamonds on 24 collinear columns, centred. The likelihood is Stan's own linear regression, which is how
// this model is stated by those who use it: there is no slower statement to compare with.
data {
  int<lower=1> N;
  int<lower=1> K;
  vector[N] Y;
  matrix[N, K] X;
  int<lower=0, upper=1> prior_only;
}
transformed data {
  matrix[N, K - 1] Z;
  for (k in 1 : K - 1) {
    Z[ : , k] = X[ : , k + 1] - mean(X[ : , k + 1]);
  }
}
parameters {
  vector[K - 1] b;
  real Intercept;
  real<lower=0> sigma;
}
model {
  b ~ std_normal();
  Intercept ~ student_t(3, 8, 10);
  sigma ~ student_t(3, 0, 10);
  if (prior_only == 0) {
    Y ~ normal_id_glm(Z, Intercept, b, sigma);
  }
}
